"""The registry: which agents are up, what they can do, and how busy they are.

Every instance writes a heartbeat; the server forgets it three beats after the last one, so that a
dead instance disappears by itself.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.units import now
from pepperpy_schemas.catalog.agents import REGISTRY
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadName, PepperError
from pepperpy_schemas.messages import AgentInstance, Load
from pepperpy_schemas.subjects import bucket_name

log = get_log("pepperpy.registry")

BEAT = 5.0
"""Seconds between two heartbeats."""
TTL = "15s"
"""After this long without one the instance is forgotten: three missed beats."""


class Registry:
    """The live instances of a deployment."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._bucket = Bucket(connection, bucket_name(prefix, "registry"))
        self._prefix = prefix

    async def instances(
        self, *, agent: str = "", capability: str = "", version: str = "", topic: str = ""
    ) -> list[AgentInstance]:
        """Returns who is up, by name and instance.

        Args:
            agent: Only this agent.
            capability: Only those that say they can do this.
            version: Only versions in this range, for example ``>=1.2,<2`` (PEP 440 specifiers).
            topic: Only those that work on this topic.

        Raises:
            BadName: The version range cannot be read.
        """
        fits = selector(agent=agent, capability=capability, version=version, topic=topic)
        entries = await self._bucket.entries(f"{agent}.*" if agent else ">")
        found = [_read(entry.key, entry.value) for entry in entries]
        return sorted(
            (one for one in found if one is not None and fits(one)),
            key=lambda one: (one.agent, one.instance),
        )

    async def watch(self) -> AsyncIterator[tuple[str, AgentInstance | None]]:
        """Yields ``agent.instance`` with each heartbeat, or with None when it is gone."""
        async for change in self._bucket.watch():
            if change.value is None:
                yield change.key, None
            elif (value := _read(change.key, change.value)) is not None:
                yield change.key, value

    async def beat(self, instance: AgentInstance) -> None:
        """Writes one heartbeat."""
        await self._bucket.put(self._key(instance), encode(instance), ttl=TTL)

    async def forget(self, instance: AgentInstance) -> None:
        """Removes an instance that stops."""
        await self._bucket.delete(self._key(instance))

    def _key(self, instance: AgentInstance) -> str:
        subject = REGISTRY.of(self._prefix, agent=instance.agent, instance=instance.instance)
        return subject.split(".", 2)[2]


def selector(
    *, agent: str = "", capability: str = "", version: str = "", topic: str = ""
) -> Callable[[AgentInstance], bool]:
    """Returns a function that says whether an instance is wanted; see `Registry.instances`.

    Raises:
        BadName: The version range cannot be read.
    """
    in_range = _version_filter(version)
    return lambda one: (
        (not agent or one.agent == agent)
        and (not capability or capability in one.capabilities)
        and (not topic or topic in one.topics)
        and in_range(one.version)
    )


@contextlib.asynccontextmanager
async def heartbeat(
    registry: Registry, describe: Callable[[], AgentInstance]
) -> AsyncIterator[Callable[[], None]]:
    """Writes heartbeats until the end, then removes the instance.

    Args:
        registry: The registry.
        describe: Gives the instance as it is now.

    Yields:
        A function that makes the next heartbeat come at once, for a change of state.
    """
    soon = asyncio.Event()
    beating = asyncio.create_task(_beat_forever(registry, describe, soon), name="heartbeat")
    try:
        yield soon.set
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(PepperError, TimeoutError):
            async with asyncio.timeout(1.0):
                await registry.forget(describe())


async def _beat_forever(
    registry: Registry, describe: Callable[[], AgentInstance], soon: asyncio.Event
) -> None:
    # Python 3.11's wait_for loses a cancellation that comes together with the answer.
    while True:
        soon.clear()
        try:
            async with asyncio.timeout(BEAT):
                await registry.beat(describe())
        except (PepperError, TimeoutError) as error:
            log.warning("registry.beat_failed", error=str(error) or type(error).__name__)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await soon.wait()


class Vitals:
    """Measures this process between two heartbeats: processor share, memory, event loop lag."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._wall = time.monotonic()

    def measure(
        self,
        *,
        in_flight: int,
        slots: int,
        done: int,
        failed: int,
        lag: float = 0.0,
        shards: int = 0,
    ) -> Load:
        """Returns the load since the last call; ``lag`` is in seconds."""
        cpu, wall = time.process_time(), time.monotonic()
        share = 100 * (cpu - self._cpu) / max(wall - self._wall, 0.001)
        self._cpu, self._wall = cpu, wall
        return Load(
            in_flight=in_flight,
            slots=slots,
            cpu_percent=round(share, 1),
            rss_bytes=_rss_bytes(),
            loop_lag_ms=round(lag * 1e3, 1),
            done=done,
            failed=failed,
            shards=shards,
        )


def describe_process() -> tuple[str, int, datetime]:
    """Returns host name, process id and the present time."""
    return socket.gethostname(), os.getpid(), now()


def _read(key: str, value: bytes) -> AgentInstance | None:
    """An entry, or None: one heartbeat that cannot be read must not hide all the others."""
    try:
        return decode(value, AgentInstance)
    except PepperError as error:
        log.warning("registry.unreadable", key=key, error=str(error))
        return None


def _rss_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        # Not Linux: the peak is the nearest figure the standard library has, in bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def _version_filter(version: str) -> Callable[[str], bool]:
    if not version:
        return lambda _: True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        wanted = SpecifierSet(version)
    except InvalidSpecifier:
        raise BadName(
            f"version range {version!r:.60} cannot be read",
            hint="write for example >=1.2,<2 or ~=1.4 or ==1.2.0",
        ) from None

    def fits(text: str) -> bool:
        try:
            return wanted.contains(Version(text), prereleases=True)
        except InvalidVersion:
            return False

    return fits
