"""How full the broker is: its account, its streams, and how far their consumers are behind."""

from datetime import datetime
from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.units import parse_time
from pepperpy_schemas.errors import NotFound, PermissionDenied


class ConsumerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How far a consumer of a stream is.

    Attributes:
        name: The consumer.
        pending: Messages that nobody has taken yet.
        ack_pending: Messages that somebody works on.
        redelivered: Of these, delivered more than once.
        pulls: Pull requests that wait for a message: somebody listens.
    """

    name: str
    pending: int
    ack_pending: int
    redelivered: int
    pulls: int

    @property
    def lag(self) -> int:
        """Messages that are not done."""
        return self.pending + self.ack_pending


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How full a stream is.

    Attributes:
        name: The stream.
        messages: Messages in it.
        bytes: Their size.
        max_messages: Its limit; -1 for none.
        max_bytes: Its limit; -1 for none.
        consumers: Its durable consumers; None when this user may not see them.
        now: The server's clock when it answered.
    """

    name: str
    messages: int
    bytes: int
    max_messages: int
    max_bytes: int
    consumers: tuple[ConsumerFigures, ...] | None
    now: datetime | None

    @property
    def lag(self) -> int | None:
        """Messages that a consumer has not done; None when this user may not see them."""
        return None if self.consumers is None else sum(one.lag for one in self.consumers)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the account uses of a resource of JetStream, in bytes; limit -1 for none."""

    used: int
    limit: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the account of this user holds.

    Attributes:
        storage: Files.
        memory: Memory.
        streams: How many streams there are.
        api_level: JetStream API level of the server.
    """

    storage: Usage
    memory: Usage
    streams: int
    api_level: int


class WhoAmI(msgspec.Struct, frozen=True):
    """Whom the broker takes this connection for; an empty user is anonymous."""

    user: str = ""
    account: str = ""


async def account(connection: Connection) -> Account:
    """Returns what the account uses and may use.

    Raises:
        PermissionDenied: This user may not ask.
    """
    info = await api(connection, "INFO")
    limits = info.get("limits", {})
    return Account(
        storage=Usage(used=info.get("storage", 0), limit=limits.get("max_storage", -1)),
        memory=Usage(used=info.get("memory", 0), limit=limits.get("max_memory", -1)),
        streams=info.get("streams", 0),
        api_level=info.get("api", {}).get("level", 0),
    )


async def who_am_i(connection: Connection) -> WhoAmI:
    """Returns whom the broker takes this connection for.

    Raises:
        PermissionDenied: This user may not ask, as no role of ours may.
    """
    reply = await connection.request("$SYS.REQ.USER.INFO")
    return msgspec.convert(msgspec.json.decode(reply.body).get("data", {}), WhoAmI)


async def stream_figures(connection: Connection, name: str) -> StreamFigures | None:
    """Returns the figures of a stream, or None when there is no such stream."""
    try:
        info = await api(connection, f"STREAM.INFO.{name}")
    except NotFound:
        return None
    config, state = info["config"], info["state"]
    return StreamFigures(
        name=name,
        messages=state.get("messages", 0),
        bytes=state.get("bytes", 0),
        max_messages=config.get("max_msgs", -1),
        max_bytes=config.get("max_bytes", -1),
        consumers=await _consumers(connection, name) if state.get("consumer_count") else (),
        now=parse_time(info["ts"]) if "ts" in info else None,
    )


async def subjects_of(connection: Connection, stream: str) -> dict[str, int]:
    """Returns how many messages each subject of a stream has; at most 100 000 subjects."""
    info = await api(connection, f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
    subjects: dict[str, int] = info["state"].get("subjects") or {}
    return subjects


async def consumers_of(connection: Connection, stream: str) -> list[dict[str, Any]]:
    """Returns what the server says of each consumer of a stream.

    Raises:
        NotFound: There is no such stream.
        PermissionDenied: This user may not ask.
    """
    found: list[dict[str, Any]] = []
    while True:
        page = await api(connection, f"CONSUMER.LIST.{stream}", {"offset": len(found)})
        consumers = page.get("consumers") or []
        found += consumers
        if not consumers or len(found) >= page.get("total", 0):
            return found


async def _consumers(connection: Connection, stream: str) -> tuple[ConsumerFigures, ...] | None:
    try:
        found = await consumers_of(connection, stream)
    except PermissionDenied:
        return None
    except NotFound:
        return ()
    # Followers come and go, and nobody waits for what they have not read.
    return tuple(_consumer(one) for one in found if one["config"].get("durable_name"))


def _consumer(info: dict[str, Any]) -> ConsumerFigures:
    return ConsumerFigures(
        name=info["name"],
        pending=info.get("num_pending", 0),
        ack_pending=info.get("num_ack_pending", 0),
        redelivered=info.get("num_redelivered", 0),
        pulls=info.get("num_waiting", 0),
    )
