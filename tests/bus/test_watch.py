import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.opening import connect
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import last_on
from pepperpy_bus.tasks import watch as module
from pepperpy_bus.tasks.watch import Update
from pepperpy_schemas.catalog.tasks import RESULT, TOKEN
from pepperpy_schemas.errors import NotFound
from pepperpy_schemas.messages import Result, Token

DONE = Result(ok=True, data=msgspec.Raw(b"1"))


async def tell(bus: Client, verb: str, task_id: str = "t", **more: Any) -> None:
    async with bus.emitter() as emitter:
        await emitter.emit("task", verb, scope="echo", id=task_id, certain=True, **more)


async def speak(
    bus: Client, *texts: str, task_id: str = "t", attempt: int = 1, first: int = 1
) -> None:
    body = b""
    for seq, text in enumerate(texts, start=first):
        body = TOKEN.encode(Token(seq, attempt, text))
        await bus.connection.publish(TOKEN.of(bus.prefix, id=task_id), body)
    # The stream does not acknowledge: it is asked until it has them.
    subject, stream = TOKEN.of(bus.prefix, id=task_id), f"{bus.prefix.upper()}_TOKENS"
    async with asyncio.timeout(5):
        while True:
            last = await last_on(bus.connection, stream, subject)
            if last is not None and last.body == body:
                return


def kinds(updates: list[Update]) -> list[str]:
    return [one.event.verb if one.event else one.token.t if one.token else "end" for one in updates]


async def watched(bus: Client, task_id: str) -> list[str]:
    return kinds([one async for one in bus.watch(task_id)])


async def nothing_yet(*_: object) -> None:
    """The server has not stored it."""


async def close(watching: AsyncIterator[Update]) -> None:
    await watching.aclose()  # type: ignore[attr-defined]  # it is an async generator


async def test_a_task_is_watched_live_to_its_end(bus: Client) -> None:
    watching = bus.watch("t")
    following = asyncio.ensure_future(anext(watching))
    await tell(bus, "started")
    assert kinds([await following]) == ["started"]
    await speak(bus, "a")
    assert kinds([await anext(watching)]) == ["a"]
    await tell(bus, "retry", priority="high")
    assert kinds([await anext(watching)]) == ["retry"]
    await bus.results.put("t", DONE, attempt=1)
    await tell(bus, "completed")
    rest = [one async for one in watching]
    assert kinds(rest) == ["completed", "end"]
    assert rest[-1].ended is not None
    assert rest[-1].ended.result == DONE


async def test_a_task_that_has_ended_is_told_from_its_beginning(bus: Client) -> None:
    await tell(bus, "started")
    await speak(bus, "a", "b")
    await bus.results.put("t", DONE, attempt=1)
    await tell(bus, "completed")
    updates = kinds([one async for one in bus.watch("t")])
    assert updates[-1] == "end"
    assert [one for one in updates if len(one) == 1] == ["a", "b"]
    assert [one for one in updates if len(one) > 3] == ["started", "completed"]


async def test_all_of_a_long_output_comes_before_the_end(bus: Client) -> None:
    """The result and the event may be here long before the last piece of output."""
    texts = [f"{n:05}" for n in range(3000)]
    await speak(bus, *texts)
    await tell(bus, "completed")
    await bus.results.put("t", DONE, attempt=1)
    for _ in range(3):
        updates = kinds([one async for one in bus.watch("t")])
        assert updates[-1] == "end"
        assert [one for one in updates if len(one) == 5] == texts


async def test_output_that_was_sent_just_before_the_result_comes_before_the_end(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream of the output acknowledges nothing: it may lie behind that of the results."""
    monkeypatch.setattr(module, "last_on", nothing_yet)
    number = 40
    watching = [asyncio.create_task(watched(bus, f"t{n}")) for n in range(number)]
    await asyncio.gather(*(tell(bus, "started", f"t{n}") for n in range(number)))
    async with asyncio.timeout(10):
        while len(bus.results._waiting) < number:
            await asyncio.sleep(0.01)
    await bus.connection.flush()
    for n in range(number):
        await tell(bus, "completed", f"t{n}")
    for n in range(number):
        for piece in range(1, 41):
            body = TOKEN.encode(Token(piece, 1, "x"))
            await bus.connection.publish(TOKEN.of(bus.prefix, id=f"t{n}"), body)
        body = RESULT.encode(DONE)
        await bus.connection.publish(RESULT.of(bus.prefix, id=f"t{n}"), body)
    for updates in await asyncio.gather(*watching):
        assert updates.count("x") == 40
        assert updates[-1] == "end"


async def test_the_end_of_a_bare_worker_that_tells_no_events_comes_after_a_moment(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE", 0.05)
    await bus.results.put("t", DONE, attempt=1)
    assert kinds([one async for one in bus.watch("t")]) == ["end"]


async def test_other_tasks_are_not_seen(bus: Client) -> None:
    await tell(bus, "started", "other")
    await speak(bus, "x", task_id="other")
    await tell(bus, "completed")
    await bus.results.put("t", DONE, attempt=1)
    assert kinds([one async for one in bus.watch("t")]) == ["completed", "end"]


async def test_what_cannot_be_read_hides_nothing_else(bus: Client) -> None:
    prefix = bus.prefix
    await store(bus.connection, f"{prefix}.event.task.bad.echo.t", b"{")
    await bus.connection.publish(TOKEN.of(prefix, id="t"), b"plain text")
    await speak(bus, "a")
    await tell(bus, "failed")
    await bus.results.put("t", DONE, attempt=1)
    assert sorted(kinds([one async for one in bus.watch("t")])) == ["a", "end", "failed"]


async def test_an_end_that_cannot_be_read_ends_the_watch_with_its_error(bus: Client) -> None:
    reference = await Blobs(bus.connection, bus.prefix).put(b"x" * 10)
    await Blobs(bus.connection, bus.prefix).delete(reference)
    subject = RESULT.of(bus.prefix, id="t")
    await store(bus.connection, subject, b'{"ok":true}', headers={"Pp-Blob": reference})
    with pytest.raises(NotFound, match="deleted or has expired"):
        async with asyncio.timeout(5):
            await anext(bus.watch("t"))


async def test_a_broker_without_the_streams_ends_the_watch_with_its_error(bus: Client) -> None:
    await api(bus.connection, f"STREAM.DELETE.{bus.prefix.upper()}_EVENTS")
    with pytest.raises(NotFound):
        async with asyncio.timeout(5):
            await anext(bus.watch("t"))


async def test_a_watch_that_is_left_leaves_nothing_behind(bus: Client) -> None:
    await tell(bus, "started")
    watching = bus.watch("t")
    await anext(watching)
    assert [one for one in asyncio.all_tasks() if one.get_name().startswith("watch-")]
    await close(watching)
    assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("watch-")]
    assert bus.results._waiting == {}


async def test_a_watch_goes_on_over_a_restart_of_the_broker(
    own_broker: Broker, prefix: str, eventually: Callable[..., Awaitable[None]]
) -> None:
    async with connect(own_broker.url, bus__prefix=prefix) as bus:
        watching = bus.watch("t")
        await tell(bus, "started")
        assert kinds([await anext(watching)]) == ["started"]
        await own_broker.restart()
        await bus.connection.wait_connected(10)
        await bus.results.put("t", DONE, attempt=1)
        await tell(bus, "completed")
        async with asyncio.timeout(20):
            assert kinds([one async for one in watching]) == ["completed", "end"]


def output(updates: list[Update]) -> list[str]:
    """The pieces, and for a gap its first and last."""
    found = []
    for one in updates:
        if one.token is not None:
            found.append(one.token.t)
        elif one.gap is not None:
            found.append(f"{one.gap.first}-{one.gap.last}")
    return found


async def test_missing_pieces_of_output_are_told(bus: Client) -> None:
    await speak(bus, "c", first=3)
    await speak(bus, "f", "g", first=6)
    await bus.results.put("t", DONE, attempt=1)
    await tell(bus, "completed")
    assert output([one async for one in bus.watch("t")]) == ["1-2", "c", "4-5", "f", "g"]


async def test_output_is_watched_from_the_piece_on_that_is_wanted(bus: Client) -> None:
    await speak(bus, "a", "b", "c")
    await speak(bus, "x", "y", "z", attempt=2)
    await bus.results.put("t", DONE, attempt=2)
    await tell(bus, "completed")
    assert output([one async for one in bus.watch("t", start=3)]) == ["c", "x", "y", "z"]
    assert output([one async for one in bus.watch("t", start=(2, 2))]) == ["y", "z"]
    assert output([one async for one in bus.watch("t", start=(3, 1))]) == []


async def test_the_output_of_an_attempt_that_lost_the_task_is_not_mixed_in(bus: Client) -> None:
    await speak(bus, "a", "b")
    await speak(bus, "x", attempt=2)
    await speak(bus, "c", first=3)
    await speak(bus, "x", "y", attempt=2)
    await bus.results.put("t", DONE, attempt=2)
    await tell(bus, "completed")
    assert output([one async for one in bus.watch("t")]) == ["a", "b", "x", "y"]
