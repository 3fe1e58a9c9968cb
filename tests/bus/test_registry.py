import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus import registry as module
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry, Vitals, describe_process, heartbeat
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.messages import AgentInstance, Load

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def registry(
    connection: Connection, prefix: str, streams: Callable[..., Awaitable[None]]
) -> Registry:
    await streams(connection, prefix, "registry")
    return Registry(connection, prefix)


def instance(agent: str = "support", name: str = "i1", **changes: Any) -> AgentInstance:
    fields: dict[str, Any] = {
        "version": "1.2.0",
        "state": "RUNNING",
        "topics": ["triage"],
        "capabilities": ["text"],
        "load": Load(),
        "host": "h",
        "pid": 1,
        "started": NOW,
        "beat": NOW,
    }
    return AgentInstance(agent, name, **(fields | changes))


@pytest.fixture
async def crowd(registry: Registry) -> Registry:
    for one in (
        instance("writer", "a", version="2.0.0", topics=["draft"], capabilities=["text", "image"]),
        instance("support", "b", version="1.10.0"),
        instance("support", "a", version="1.2.0rc1"),
        instance("odd", "a", version="yesterday", topics=[], capabilities=[]),
    ):
        await registry.beat(one)
    return registry


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["odd.a", "support.a", "support.b", "writer.a"]),
        ({"agent": "support"}, ["support.a", "support.b"]),
        ({"agent": "nobody"}, []),
        ({"capability": "image"}, ["writer.a"]),
        ({"capability": "text", "topic": "triage"}, ["support.a", "support.b"]),
        ({"topic": "draft"}, ["writer.a"]),
        ({"version": ">=1.2,<2"}, ["support.b"]),
        ({"version": ">=1.2.0rc1,<2"}, ["support.a", "support.b"]),
        ({"version": "~=1.9", "agent": "support"}, ["support.b"]),
        ({"version": "==2.0.0", "capability": "text"}, ["writer.a"]),
    ],
)
async def test_agents_are_found_by_what_they_can_do_and_their_version(
    crowd: Registry, wanted: dict[str, str], found: list[str]
) -> None:
    assert [f"{one.agent}.{one.instance}" for one in await crowd.instances(**wanted)] == found


async def test_a_version_range_that_cannot_be_read_is_refused(registry: Registry) -> None:
    with pytest.raises(BadName, match="version range 'new'") as refused:
        await registry.instances(version="new")
    assert ">=1.2,<2" in refused.value.hint


async def test_a_heartbeat_that_cannot_be_read_hides_no_other(
    crowd: Registry, connection: Connection, prefix: str
) -> None:
    await store(connection, f"$KV.{prefix}_registry.bad.one", b"{")
    assert len(await crowd.instances()) == 4
    watching = crowd.watch()
    seen = {(await anext(watching))[0] for _ in range(4)}
    assert "bad.one" not in seen
    await _close(watching)


@pytest.mark.parametrize("name", ["a.b", "*", ""])
async def test_an_agent_whose_name_cannot_travel_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(BadName):
        await registry.beat(instance(name))
    with pytest.raises(BadName):
        await registry.forget(instance("a", name))


async def test_a_watcher_sees_heartbeats_and_who_has_gone(registry: Registry) -> None:
    one = instance()
    await registry.beat(one)
    watching = registry.watch()
    assert await anext(watching) == ("support.i1", one)
    busy = msgspec.structs.replace(one, load=Load(in_flight=3))
    await registry.beat(busy)
    assert await anext(watching) == ("support.i1", busy)
    await registry.forget(one)
    assert await anext(watching) == ("support.i1", None)
    await _close(watching)


async def test_a_dead_instance_disappears_by_itself(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TTL", "1s")
    await registry.beat(instance())
    watching = registry.watch()
    assert (await anext(watching))[1] is not None
    async with asyncio.timeout(10):
        assert await anext(watching) == ("support.i1", None)
    assert await registry.instances() == []
    await _close(watching)


async def test_a_heartbeat_says_how_long_it_is_good_for(
    registry: Registry, connection: Connection, prefix: str
) -> None:
    await registry.beat(instance())
    found = await api(connection, f"STREAM.MSG.GET.KV_{prefix}_registry", {"seq": 1})
    assert b"Nats-TTL: 15s" in msgspec.convert(found["message"]["hdrs"], bytes)


async def test_a_living_instance_beats_and_is_forgotten_at_its_end(registry: Registry) -> None:
    state = "RUNNING"
    watching = registry.watch()
    async with heartbeat(registry, lambda: instance(state=state)) as beat_soon:
        _, seen = await anext(watching)
        assert seen is not None
        state = "PAUSED"
        beat_soon()
        async with asyncio.timeout(3):
            _, seen = await anext(watching)
        assert seen is not None
        assert seen.state == "PAUSED"
    assert await anext(watching) == ("support.i1", None)
    await _close(watching)


async def test_heartbeats_go_on_by_themselves(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT", 0.05)
    watching = registry.watch()
    async with heartbeat(registry, instance), asyncio.timeout(5):
        for _ in range(3):
            assert (await anext(watching))[1] is not None
    await _close(watching)


async def test_heartbeats_go_on_after_the_broker_was_away(
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """The registry is in memory: a broker that comes back knows nobody."""
    await streams(own, prefix, "registry")
    monkeypatch.setattr(module, "BEAT", 0.3)
    registry = Registry(own, prefix)
    watching = registry.watch()
    async with heartbeat(registry, instance):
        assert (await anext(watching))[0] == "support.i1"
        await _close(watching)
        own_broker.kill()
        await eventually(lambda: "registry.beat_failed" in caplog.text, within=10)
        await own_broker.start()
        await own.wait_connected(10)
        await streams(own, prefix, "registry")
        async with asyncio.timeout(10):
            while not await registry.instances():
                await asyncio.sleep(0.05)


def test_vitals_measure_this_process_between_two_calls() -> None:
    vitals = Vitals()
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    load = vitals.measure(in_flight=1, slots=2, done=3, failed=4, lag=0.0123)
    assert (load.in_flight, load.slots, load.done, load.failed) == (1, 2, 3, 4)
    assert load.cpu_percent > 1
    assert load.loop_lag_ms == 12.3
    assert 5_000_000 < load.rss_bytes < 10**10
    again = vitals.measure(in_flight=0, slots=2, done=3, failed=4)
    assert again.loop_lag_ms == 0


def test_memory_is_told_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert Vitals().measure(in_flight=0, slots=0, done=0, failed=0).rss_bytes > 0


def test_a_process_says_where_it_runs() -> None:
    host, pid, now = describe_process()
    assert (bool(host), pid) == (True, os.getpid())
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5


async def _close(watching: AsyncIterator[Any]) -> None:
    await watching.aclose()  # type: ignore[attr-defined]  # it is an async generator
