"""What the nats-server says of itself over HTTP: ``/varz``, ``/jsz`` and ``/healthz``."""

from collections.abc import Iterator
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from pepperpy_bus.units import parse_time
from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.gauges import Reading
from pepperpy_schemas.monitor import BrokerFigures

PATIENCE: Final = 5.0
"""Seconds until an answer that has not come counts as none."""
LARGEST: Final = 1 << 20
"""Bytes of an answer above which it is none of a nats-server."""

T = TypeVar("T")


class Varz(msgspec.Struct, frozen=True):
    """The server's figures; the names are the server's own.

    Attributes:
        server_name: Its name.
        version: Its version.
        start: When it started, RFC 3339.
        now: Its clock.
        cpu: Percent of one core.
        mem: Resident bytes.
        connections: Clients that are connected.
        subscriptions: Subscriptions.
        slow_consumers: Clients that it cut off since its start.
        in_msgs: Messages that came since its start.
        out_msgs: Messages that left.
        in_bytes: Bytes that came.
        out_bytes: Bytes that left.
    """

    server_name: str
    version: str
    start: str
    now: str
    cpu: float = 0.0
    mem: int = 0
    connections: int = 0
    subscriptions: int = 0
    slow_consumers: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0

    @property
    def uptime(self) -> float:
        """Seconds since its start."""
        return (parse_time(self.now) - parse_time(self.start)).total_seconds()


class Room(msgspec.Struct, frozen=True):
    """What JetStream may take on this server, in bytes."""

    max_memory: int = -1
    max_storage: int = -1


class Api(msgspec.Struct, frozen=True):
    """Requests to JetStream since the server's start."""

    errors: int = 0


class Jsz(msgspec.Struct, frozen=True):
    """JetStream's figures, all accounts together, in bytes."""

    memory: int = 0
    storage: int = 0
    config: Room = Room()
    api: Api = Api()


class Healthz(msgspec.Struct, frozen=True):
    """Whether the server finds itself well."""

    status: str
    error: str = ""


class Server:
    """The server behind an address of its HTTP monitoring, looked at again and again.

    Args:
        url: The address, such as ``http://127.0.0.1:8222``.

    Attributes:
        varz: The last figures; None while it does not answer.
        jsz: The same of JetStream.
        problem: What is wrong, in a sentence; empty when nothing is.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.varz: Varz | None = None
        self.jsz: Jsz | None = None
        self.problem = ""

    async def look(self) -> None:
        """Asks for the figures of now."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
                session.get(f"{self.url}/varz", raise_for_status=True) as varz,
                session.get(f"{self.url}/jsz", raise_for_status=True) as jsz,
                session.get(f"{self.url}/healthz") as healthz,
            ):
                self.varz, self.jsz = await _read(varz, Varz), await _read(jsz, Jsz)
                health = await _read(healthz, Healthz)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            self.varz = self.jsz = None
            self.problem = f"{self.url} does not answer: {str(error) or type(error).__name__}"
            return
        self.problem = "" if health.status == "ok" else health.error or health.status

    async def complete(self, figures: BrokerFigures) -> BrokerFigures:
        """Adds to the broker's figures what the server says of itself now."""
        await self.look()
        varz, jsz = self.varz, self.jsz
        if varz is None or jsz is None:
            return figures
        limit = jsz.config.max_storage
        return msgspec.structs.replace(
            figures,
            server=varz.server_name,
            version=varz.version,
            started=parse_time(varz.start),
            connections=varz.connections,
            slow_consumers=varz.slow_consumers,
            cpu_percent=varz.cpu,
            memory_bytes=varz.mem,
            in_messages=varz.in_msgs,
            out_messages=varz.out_msgs,
            # Where the account has no limit of its own, the server's is the one that is met.
            storage_limit=figures.storage_limit or (limit if limit > 0 else None),
        )

    def readings(self) -> Iterator[Reading]:
        """Yields what is known of the server."""
        if self.varz is None or self.jsz is None:
            return
        yield from _of_server(self.varz)
        yield Reading(names.JETSTREAM_API_ERRORS, (self.varz.server_name,), self.jsz.api.errors)
        yield from _of_memory(self.jsz.memory, self.jsz.config.max_memory)

    @property
    def details(self) -> dict[str, Any]:
        """What people see beside its health."""
        if self.varz is None:
            return {"url": self.url}
        return {"url": self.url, "server": self.varz.server_name, "version": self.varz.version}


async def _read(response: aiohttp.ClientResponse, kind: type[T]) -> T:
    return msgspec.json.decode(await response.content.read(LARGEST), type=kind)


def _of_server(varz: Varz) -> Iterator[Reading]:
    name = (varz.server_name,)
    yield Reading(names.SERVER_CPU, name, varz.cpu / 100)
    yield Reading(names.SERVER_MEMORY, name, varz.mem)
    yield Reading(names.SERVER_CONNECTIONS, name, varz.connections)
    yield Reading(names.SERVER_SUBSCRIPTIONS, name, varz.subscriptions)
    yield Reading(names.SERVER_SLOW, name, varz.slow_consumers)
    yield Reading(names.SERVER_MESSAGES, (*name, "in"), varz.in_msgs)
    yield Reading(names.SERVER_MESSAGES, (*name, "out"), varz.out_msgs)
    yield Reading(names.SERVER_BYTES, (*name, "in"), varz.in_bytes)
    yield Reading(names.SERVER_BYTES, (*name, "out"), varz.out_bytes)
    yield Reading(names.SERVER_UPTIME, name, varz.uptime)


def _of_memory(used: int, limit: int) -> Iterator[Reading]:
    """What JetStream holds in memory; of files the bus tells the same."""
    yield Reading(names.JETSTREAM_USED, ("memory",), used)
    if limit > 0:
        yield Reading(names.JETSTREAM_LIMIT, ("memory",), limit)
        yield Reading(names.JETSTREAM_FILL, ("memory",), used / limit)
