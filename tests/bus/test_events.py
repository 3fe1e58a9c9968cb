import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus import outbox as module
from pepperpy_bus.events import Emitter, Heard, event_subjects, listen
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import all_on
from pepperpy_bus.where import BadWhere
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.errors import BadName

Streams = Callable[..., Awaitable[None]]
Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
async def emitter(connection: Connection, prefix: str, streams: Streams) -> AsyncIterator[Emitter]:
    await streams(connection, prefix, "EVENTS")
    async with Emitter(connection, prefix) as emitter:
        yield emitter


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are sent again soon."""
    monkeypatch.setattr(module, "RESEND_AFTER", 0.05)


async def tell(emitter: Emitter, name: str, id: str = "t", **more: Any) -> None:  # noqa: A002
    entity, verb = name.split(".")
    await emitter.emit(entity, verb, scope=more.pop("scope", "echo"), id=id, **more)


async def there(connection: Connection, prefix: str, pattern: str = ">", **more: Any) -> list[str]:
    """Names and ids of the events that are stored."""
    since = more.pop("since", timedelta(minutes=1))
    heard = listen(connection, prefix, pattern, since=since, until_end=True, **more)
    return [f"{one.name}:{one.id}" async for one in heard]


def test_a_pattern_names_tokens_from_the_left_on_both_lanes() -> None:
    def high_and_normal(rest: str) -> list[str]:
        return [f"pp.event-hi.{rest}", f"pp.event.{rest}"]

    assert event_subjects("pp", ">") == high_and_normal(">")
    assert event_subjects("pp", "") == high_and_normal(">")
    assert event_subjects("pp", "task") == high_and_normal("task.>")
    assert event_subjects("pp", "task.failed.*") == high_and_normal("task.failed.*.>")
    assert event_subjects("pp", "task.>") == high_and_normal("task.>")
    assert event_subjects("pp", "*.*.*.t1") == high_and_normal("*.*.*.t1")


@pytest.mark.parametrize("pattern", ["a.b.c.d.e", "a..b", "a b", ">.a", "a.>.b", "ta*", "."])
def test_a_pattern_that_cannot_match_is_refused(pattern: str) -> None:
    with pytest.raises(BadName, match="event pattern"):
        event_subjects("pp", pattern)


async def test_an_event_is_heard_with_everything_that_was_told(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    await emitter.emit(
        "task",
        "retry",
        scope="echo",
        id="t1",
        correlation="root",
        causation="cause",
        attempt=2,
        data={"wait": 1.5, "code": "timeout"},
        certain=True,
        event_id="e1",
    )
    assert await emitter.flush()
    heard = listen(connection, prefix, since=timedelta(minutes=1), until_end=True)
    [one] = [event async for event in heard]
    assert (one.name, one.scope, one.id, one.seq) == ("task.retry", "echo", "t1", 1)
    assert one.data == {"wait": 1.5, "code": "timeout"}
    fields = one.fields()
    assert abs(datetime.fromisoformat(fields.pop("ts")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert fields == {
        "entity": "task",
        "verb": "retry",
        "scope": "echo",
        "id": "t1",
        "correlation": "root",
        "causation": "cause",
        "attempt": 2,
        "priority": "normal",
        "data": {"wait": 1.5, "code": "timeout"},
        "trace": "",
    }


async def test_every_event_names_what_it_belongs_to(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    await tell(emitter, "task.a", "t1", certain=True)
    await tell(emitter, "task.b", "t2", correlation="root", certain=True)
    await emitter.flush()
    heard = listen(connection, prefix, since=timedelta(minutes=1), until_end=True)
    told = [(one.event.correlation, one.event.causation) async for one in heard]
    assert told == [("t1", "t1"), ("root", "root")]


async def test_listeners_hear_what_their_pattern_says_on_both_lanes(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    for name, more in (
        ("task.failed", {"id": "a"}),
        ("task.failed", {"id": "b", "priority": "high"}),
        ("task.completed", {"id": "c"}),
        ("llm.failed", {"id": "d", "scope": "other"}),
    ):
        await tell(emitter, name, certain=True, **more)
    assert await emitter.flush()
    assert await there(connection, prefix, "task.failed") == ["task.failed:a", "task.failed:b"]
    assert await there(connection, prefix, "*.*.other") == ["llm.failed:d"]
    assert await there(connection, prefix, "task.*.*.c") == ["task.completed:c"]
    assert len(await there(connection, prefix)) == 4
    high = await all_on(connection, f"{prefix.upper()}_EVENTS", f"{prefix}.event-hi.>")
    assert len(high) == 1


async def test_listeners_hear_what_matches_their_condition(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    for n in range(4):
        await tell(emitter, "task.retry", f"t{n}", attempt=n, data={"n": n}, certain=True)
    await emitter.flush()
    assert await there(connection, prefix, where="attempt > 1 and data.n != 3") == ["task.retry:t2"]
    with pytest.raises(BadWhere):
        await there(connection, prefix, where="attempt >")


async def test_listeners_start_now_or_at_a_time(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    await tell(emitter, "task.a", certain=True)
    await emitter.flush()
    assert await there(connection, prefix, since=None) == []
    assert await there(connection, prefix, since=datetime.now(UTC) - timedelta(hours=1))
    assert await there(connection, prefix, since=datetime.now(UTC) + timedelta(hours=1)) == []

    listening = listen(connection, prefix)
    hearing = asyncio.ensure_future(anext(listening))
    stream = f"{prefix.upper()}_EVENTS"
    while not (await api(connection, f"CONSUMER.NAMES.{stream}"))["total"]:
        pass
    await tell(emitter, "task.b")
    assert (await asyncio.wait_for(hearing, 5)).name == "task.b"
    await listening.aclose()  # type: ignore[attr-defined]  # it is an async generator


async def test_a_message_that_is_no_event_hides_no_other(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    await store(connection, f"{prefix}.event.short", b"{}")
    await store(connection, f"{prefix}.event.task.a.b.c.d", b"{}")
    await store(connection, f"{prefix}.event.task.bad.echo.t", b'{"id":1}')
    await tell(emitter, "task.good", certain=True)
    await emitter.flush()
    assert await there(connection, prefix) == ["task.good:t"]


async def test_the_same_fact_told_twice_is_heard_once(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    for _ in range(3):
        await tell(emitter, "task.completed", certain=True, event_id="t:completed:1")
    await tell(emitter, "task.completed", certain=True, event_id="t:completed:2")
    assert await emitter.flush()
    assert len(await there(connection, prefix)) == 2


async def test_a_certain_event_is_sent_again_at_once_when_its_acknowledgement_is_lost(
    broker: Broker,
    connection: Connection,
    prefix: str,
    streams: Streams,
    connect: Callable[..., Awaitable[Connection]],
    proxy_to: Callable[..., Awaitable[Any]],
) -> None:
    await streams(connection, prefix, "EVENTS")
    proxy = await proxy_to(broker.url)
    async with Emitter(await connect(proxy.url), prefix) as emitter:
        proxy.swallow["down"] = True
        await tell(emitter, "task.completed", certain=True)
        async with asyncio.timeout(5):
            while not await there(connection, prefix):
                pass
        assert not await emitter.flush(0.01)
        proxy.swallow["down"] = False
        proxy.cut()
        assert await emitter.flush(module.RESEND_AFTER * 0.8)
    assert await there(connection, prefix) == ["task.completed:t"]


async def test_certain_events_wait_for_a_stream_that_comes_later(
    quick: None, connection: Connection, prefix: str, streams: Streams
) -> None:
    async with Emitter(connection, prefix) as emitter:
        await tell(emitter, "task.completed", certain=True)
        assert not await emitter.flush(0.2)
        await streams(connection, prefix, "EVENTS")
        assert await emitter.flush(5)
        assert emitter.dropped == 0
    assert await there(connection, prefix) == ["task.completed:t"]


async def test_certain_events_that_a_full_stream_refuses_are_sent_again(
    quick: None, connection: Connection, prefix: str
) -> None:
    """An error is an answer, but no acknowledgement."""
    stream = f"{prefix.upper()}_EVENTS"
    config = {"name": stream, "subjects": [f"{prefix}.event.>"], "discard": "new", "max_msgs": 1}
    await api(connection, f"STREAM.CREATE.{stream}", config)
    async with Emitter(connection, prefix) as emitter:
        for n in range(2):
            await tell(emitter, "task.completed", f"t{n}", certain=True)
        assert not await emitter.flush(0.2)
        await api(connection, f"STREAM.UPDATE.{stream}", config | {"max_msgs": 10})
        assert await emitter.flush(5)
    assert await there(connection, prefix) == ["task.completed:t0", "task.completed:t1"]


async def test_certain_events_told_while_the_broker_is_away_arrive_later(
    quick: None,
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Streams,
    eventually: Eventually,
) -> None:
    await streams(own, prefix, "EVENTS")
    async with Emitter(own, prefix) as emitter:
        own_broker.kill()
        await eventually(lambda: not own.connected)
        await tell(emitter, "task.completed", certain=True)
        await tell(emitter, "task.progress")
        # Even those that no longer fit into the connection's buffer.
        for n in range(5):
            data = {"text": "x" * 700_000}
            await tell(emitter, "task.failed", f"t{n}", data=data, certain=True)
        await own_broker.start()
        assert await emitter.flush(15)
        assert emitter.dropped == 1
    assert sorted(await there(own, prefix)) == [
        "task.completed:t",
        *(f"task.failed:t{n}" for n in range(5)),
    ]


async def test_what_can_never_be_sent_is_dropped_and_counted(
    emitter: Emitter, connection: Connection, prefix: str
) -> None:
    for certain in (True, False):
        await tell(emitter, "task.a", data={"text": "x" * 2_000_000}, certain=certain)
    assert emitter.dropped == 2
    assert await emitter.flush(0.1)
    with pytest.raises(BadName):
        await emitter.emit("task", "a b", scope="echo", id="t")


async def test_events_above_the_bound_are_dropped_and_counted(
    connection: Connection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    async with Emitter(connection, prefix) as emitter:  # there is no stream that takes them
        for _ in range(5):
            await tell(emitter, "task.a", certain=True)
        assert emitter.dropped == 2


async def test_a_listener_hears_everything_once_and_in_order_over_a_kill_of_the_broker(
    quick: None,
    own_broker: Broker,
    own: Connection,
    prefix: str,
    streams: Streams,
    eventually: Eventually,
) -> None:
    """One server may lose what it writes asynchronously; a listener hears all that was kept."""
    await streams(own, prefix, "EVENTS")
    heard: list[Heard] = []

    async def listening() -> None:
        async for one in listen(own, prefix, "task", since=timedelta(hours=1)):
            heard.append(one)

    task = asyncio.create_task(listening())
    async with Emitter(own, prefix) as emitter:
        for n in range(600):
            await tell(emitter, "task.progress", data={"n": n}, certain=True, event_id=f"e{n}")
            if n in (200, 400):
                assert await emitter.flush(15)
                own_broker.kill()
                await own_broker.start()
                await own.wait_connected(10)
        assert await emitter.flush(20)
    stored = await all_on(own, f"{prefix.upper()}_EVENTS", f"{prefix}.event.>")
    kept = [EVENT.decode(one.body).data["n"] for one in stored]
    assert set(kept) >= set(range(401, 600)), "nothing is lost after the last kill"
    await eventually(lambda: heard and heard[-1].data["n"] == 599, within=20)
    task.cancel()
    numbers = [one.data["n"] for one in heard]
    assert numbers == sorted(set(numbers))
    assert set(kept) <= set(numbers)


async def test_a_listener_misses_nothing_when_the_broker_gives_lost_numbers_again(
    own_broker: Broker,
    own: Connection,
    prefix: str,
    connect: Callable[..., Awaitable[Connection]],
    proxy_to: Callable[..., Awaitable[Any]],
) -> None:
    """A stream in memory starts anew; there is more in it than before when the listener is back."""
    stream = f"{prefix.upper()}_EVENTS"
    subjects = [f"{prefix}.event.>", f"{prefix}.event-hi.>"]
    config = {"name": stream, "subjects": subjects, "storage": "memory", "allow_direct": True}
    proxy = await proxy_to(own_broker.url)
    far = await connect(proxy.url)

    async def publish(first: int, last: int) -> None:
        await api(own, f"STREAM.CREATE.{stream}", config)
        async with Emitter(own, prefix) as emitter:
            for n in range(first, last):
                await tell(emitter, "task.progress", f"t{n}", certain=True)
            assert await emitter.flush()

    await publish(0, 3)
    listening = listen(far, prefix, since=timedelta(hours=1))
    heard = [await anext(listening) for _ in range(3)]
    proxy.freeze()
    own_broker.kill()
    await own_broker.start()
    await own.wait_connected(10)
    await publish(3, 8)
    proxy.thaw()
    async with asyncio.timeout(20):
        heard += [await anext(listening) for _ in range(5)]
    assert [one.id for one in heard] == [f"t{n}" for n in range(8)]
    await listening.aclose()  # type: ignore[attr-defined]  # it is an async generator
