"""Makes the broker have what the topology declares: create, compare, apply.

Creating is what every process does at its start, and touches nothing that exists. Changing what
exists is an operator's act: ``pepperpy bus apply``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.jetstream import CONSUMER_EXISTS, STREAM_EXISTS, api
from pepperpy_bus.streams.topology import Config, source_consumer
from pepperpy_schemas.errors import (
    BadConfig,
    NotFound,
    PepperError,
    PermissionDenied,
    QueueFull,
    RefusedByServer,
    TopologyDrift,
    Unavailable,
)
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import check_topic

log = get_log("pepperpy.bus")

_AT_ONCE = 0.3
_RETRY_PAUSE = 0.25
_RETRIES = 100

FIXED = frozenset({"storage", "retention", "persist_mode", "deny_delete", "deny_purge"})
"""What the server never changes in place: the stream would have to be made anew."""


# Subjects that another stream has, or messages of a work queue that another consumer takes.
_OVERLAPS = frozenset({10065, 10100})


class Drift(msgspec.Struct, frozen=True):
    """One difference between what is declared and what is there.

    Attributes:
        stream: The stream's name.
        setting: The setting, or ``stream`` when it is missing as a whole.
        declared: What PepperPy wants.
        actual: What the broker has.
        fixed: Whether the server cannot change it in place.
    """

    stream: str
    setting: str
    declared: Any
    actual: Any
    fixed: bool


async def create_missing(connection: Connection, declared: list[Config]) -> list[str]:
    """Creates the streams that are not there; returns their names."""
    present = await stream_names(connection)
    missing = [config for config in declared if config["name"] not in present]
    for config in missing:
        await _ensure_sources(connection, declared, into=config["name"])
        try:
            await api(connection, f"STREAM.CREATE.{config['name']}", config)
        except QueueFull as error:
            raise BadConfig(
                f"the broker has too little storage for stream {config['name']}, "
                f"which reserves {config.get('max_bytes', 0)} bytes: {error}",
                hint="free disk space there, or raise its jetstream max_file_store",
            ) from error
        except RefusedByServer as error:
            if error.err_code in _OVERLAPS:
                raise _earlier(config) from error
            # Another process has just made it; comparing is not ours to do here.
            if error.err_code != STREAM_EXISTS:
                raise
        await _ensure_sources(connection, declared, of=config["name"])
    return [config["name"] for config in missing]


async def _ensure_sources(
    connection: Connection, declared: list[Config], *, into: str = "", of: str = ""
) -> None:
    """Creates the consumers by which one stream takes from another, unless they are there."""
    known = {config["name"] for config in declared}
    for config in declared:
        for source in config.get("sources", ()):
            if source["name"] in known and (config["name"] == into or source["name"] == of):
                try:
                    await ensure_consumer(connection, source["name"], source_consumer(source))
                except RefusedByServer as error:
                    if error.err_code in _OVERLAPS:
                        raise _earlier(config) from error
                    raise


def _earlier(config: Config) -> TopologyDrift:
    return TopologyDrift(
        f"what {config['name']} shall keep is kept by a stream of an earlier version",
        hint="stop the workers, run: pepperpy bus apply, and start those of this version",
    )


async def provision(connection: Connection, declared: list[Config], *, create: bool) -> None:
    """Makes sure that the streams are there, as every process does at its start.

    A user who may not create them goes on with what there is: on a broker with roles, the operator
    creates them.

    Args:
        connection: The connection.
        declared: The streams.
        create: Create what is missing; otherwise refuse to start.

    Raises:
        TopologyDrift: A stream is missing and ``create`` is false.
    """
    try:
        if create:
            await create_missing(connection, declared)
            return
        present = await stream_names(connection)
    except PermissionDenied as error:
        log.debug("bus.not_provisioned", reason=str(error))
        return
    missing = [config["name"] for config in declared if config["name"] not in present]
    if missing:
        raise TopologyDrift(
            f"the broker lacks {', '.join(missing)}",
            hint="create them with: pepperpy bus apply, or set bus.provision to auto",
        )


@contextlib.asynccontextmanager
async def provisioned(
    connection: Connection, declared: list[Config], *, patient: bool = False
) -> AsyncIterator[None]:
    """Creates the missing streams now, and after every reconnect until the end.

    A single server that restarts has forgotten the streams that it kept in memory. Its JetStream
    may need a moment after the connection is back; nobody waits for that: what does not succeed at
    once is tried on in the background.

    Args:
        connection: The connection.
        declared: The streams.
        patient: Wait now for a JetStream that is not ready: a cluster that elects its leader.
    """
    retrying: set[asyncio.Task[None]] = set()

    async def again() -> None:
        try:
            async with asyncio.timeout(_AT_ONCE):
                await provision(connection, declared, create=True)
        except (TimeoutError, PepperError):
            task = asyncio.create_task(_until_provisioned(connection, declared), name="provision")
            retrying.add(task)
            task.add_done_callback(retrying.discard)

    while True:
        try:
            await provision(connection, declared, create=True)
            break
        except Unavailable as error:
            if not patient:
                raise
            log.warning("bus.not_provisioned_yet", reason=str(error))
            await asyncio.sleep(_RETRY_PAUSE)
    connection.on_reconnect.insert(0, again)
    try:
        yield
    finally:
        connection.on_reconnect.remove(again)
        for task in retrying:
            task.cancel()
        await asyncio.gather(*retrying, return_exceptions=True)


async def _until_provisioned(connection: Connection, declared: list[Config]) -> None:
    for _ in range(_RETRIES):
        try:
            async with asyncio.timeout(_RETRY_PAUSE * 4):
                await provision(connection, declared, create=True)
        except (TimeoutError, PepperError) as error:
            log.debug("bus.not_provisioned_yet", reason=str(error))
            await asyncio.sleep(_RETRY_PAUSE)
        else:
            return
    log.warning("bus.not_provisioned", server=connection.server)


async def stream_names(connection: Connection) -> set[str]:
    """Returns the names of every stream in the account."""
    names: set[str] = set()
    while True:
        answer = await api(connection, "STREAM.NAMES", {"offset": len(names)})
        page = answer.get("streams") or []
        names.update(page)
        if not page or len(names) >= answer.get("total", 0):
            return names


async def compare(connection: Connection, declared: list[Config]) -> list[Drift]:
    """Returns every difference between the declared streams and the broker's."""
    drifts: list[Drift] = []
    for config in declared:
        name = config["name"]
        try:
            actual = (await api(connection, f"STREAM.INFO.{name}"))["config"]
        except NotFound:
            drifts.append(Drift(name, "stream", "present", "missing", fixed=False))
            continue
        drifts += [
            Drift(name, key, value, actual.get(key), fixed=key in FIXED)
            for key, value in config.items()
            if not _same(value, actual.get(key))
        ]
    missing = {drift.stream for drift in drifts if drift.setting == "stream"}
    there = [config for config in declared if config["name"] not in missing]
    return drifts + await _missing_sources(connection, there)


async def _missing_sources(connection: Connection, declared: list[Config]) -> list[Drift]:
    """The consumers that a stream takes from another by and that are gone: it gets nothing more."""
    drifts: list[Drift] = []
    known = {config["name"] for config in declared}
    for source in (source for config in declared for source in config.get("sources", ())):
        stream, consumer = source["name"], source["consumer"]["name"]
        if stream not in known:
            continue
        try:
            await api(connection, f"CONSUMER.INFO.{stream}.{consumer}")
        except NotFound:
            drifts.append(Drift(stream, f"consumer {consumer}", "present", "missing", fixed=False))
        except PermissionDenied as error:
            log.debug("bus.not_compared", stream=stream, reason=str(error))
    return drifts


async def apply(connection: Connection, declared: list[Config]) -> list[Drift]:
    """Makes the broker's streams as declared; returns what was different.

    Raises:
        TopologyDrift: A difference is in a setting that cannot be changed in place. Nothing at all
            is changed then.
    """
    drifts = await compare(connection, declared)
    refuse_fixed(drifts)
    differing = {drift.stream for drift in drifts if drift.setting != "stream"}
    await create_missing(connection, declared)
    for config in declared:
        await _ensure_sources(connection, declared, into=config["name"])
        if config["name"] in differing:
            actual = (await api(connection, f"STREAM.INFO.{config['name']}"))["config"]
            await api(connection, f"STREAM.UPDATE.{config['name']}", {**actual, **config})
    return drifts


def refuse_fixed(drifts: list[Drift]) -> None:
    """Checks that what differs can be changed in place.

    Raises:
        TopologyDrift: Something cannot.
    """
    stuck = [drift for drift in drifts if drift.fixed]
    if stuck:
        first = stuck[0]
        raise TopologyDrift(
            f"{first.stream}: {first.setting} is {first.actual!r} and must be {first.declared!r}, "
            "which the server cannot change in place",
            hint="drain the stream, delete it, and run: pepperpy bus apply",
            context={"settings": [f"{d.stream}.{d.setting}" for d in stuck]},
        )


async def set_consumer(connection: Connection, stream: str, config: Config) -> None:
    """Creates a durable consumer, or gives the one that is there these settings."""
    request = {"stream_name": stream, "config": config}
    await api(connection, f"CONSUMER.CREATE.{stream}.{config['name']}", request)


async def ensure_consumer(connection: Connection, stream: str, config: Config) -> None:
    """Creates a durable consumer unless it is there."""
    name = config["name"]
    request = {"stream_name": stream, "config": config, "action": "create"}
    try:
        await api(connection, f"CONSUMER.CREATE.{stream}.{name}", request)
    except RefusedByServer as error:
        if error.err_code not in CONSUMER_EXISTS:
            raise


async def patience_of(connection: Connection, stream: str, consumer: str) -> float:
    """Returns the seconds after which a consumer delivers again what nobody settled.

    An operator may have set another time than the declared one.
    """
    found = await api(connection, f"CONSUMER.INFO.{stream}.{consumer}")
    return float(found["config"]["ack_wait"]) / 1e9


async def ensure_topic(connection: Connection, prefix: str, topic: str) -> None:
    """Creates the consumers of both lanes of a topic unless they are there.

    Raises:
        BadName: The topic is not a valid name.
    """
    check_topic(topic)
    for high in (False, True):
        config = task_consumer(prefix, topic, high=high)
        await ensure_consumer(connection, stream_name(prefix, "TASKS"), config)


def _same(declared: Any, actual: Any) -> bool:
    # The server leaves settings out that have their default.
    return bool(declared == actual) or (not declared and not actual)
