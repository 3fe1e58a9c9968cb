import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams import jetstream
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.tasks.results import Results
from pepperpy_schemas.errors import BadName, ErrorInfo, Unreachable
from pepperpy_schemas.messages import Result

Async = Callable[..., Coroutine[Any, Any, Any]]


def good(text: str) -> Result:
    return Result(ok=True, data=msgspec.Raw(msgspec.json.encode(text)))


def text_of(ended: Any) -> Any:
    return msgspec.json.decode(ended.result.data)


@pytest.fixture
async def results(connection: Connection, prefix: str, streams: Async) -> Results:
    await streams(connection, prefix, "RESULTS", "blobs")
    return Results(connection, prefix)


@pytest.fixture
async def own_results(own: Connection, prefix: str, streams: Async) -> Results:
    await streams(own, prefix, "RESULTS", "blobs")
    return Results(own, prefix)


async def test_a_waiter_gets_the_result_as_it_is_stored(results: Results) -> None:
    async with results.expect("t1") as waiter:
        headers = {"Pp-Topic": "triage", "Pp-Attempt": "2"}
        assert await results.put("t1", good("done"), attempt=2, headers=headers)
        ended = await waiter.wait(2)
    assert (ended.id, ended.topic, ended.attempt, text_of(ended)) == ("t1", "triage", 2, "done")


async def test_a_failure_is_a_result_as_well(results: Results) -> None:
    error = ErrorInfo(code="timeout", message="too slow")
    async with results.expect("t1") as waiter:
        await results.put("t1", Result(ok=False, error=error), attempt=1)
        assert (await waiter.wait(2)).result.error == error


async def test_several_waiters_get_the_same_result(results: Results, connect: Async) -> None:
    async with results.expect("t1") as one, results.expect("t1") as other:
        await results.put("t1", good("done"), attempt=1)
        assert await one.wait(2) == await other.wait(2)
    assert results._waiting == {}


async def test_waiting_has_an_end_and_may_be_tried_again(results: Results) -> None:
    async with results.expect("t1") as waiter:
        with pytest.raises(TimeoutError):
            await waiter.wait(0.05)
        await results.put("t1", good("done"), attempt=1)
        assert text_of(await waiter.wait()) == "done"


async def test_a_late_reader_gets_it_and_an_early_one_nothing(results: Results) -> None:
    assert await results.get("t1") is None
    await results.put("t1", good("done"), attempt=1)
    ended = await results.get("t1")
    assert (text_of(ended), ended and ended.attempt) == ("done", 0)
    async with results.expect("t1", submitted=True) as waiter:
        assert text_of(await waiter.wait(2)) == "done"


async def test_an_id_that_cannot_travel_is_refused(results: Results) -> None:
    for wrong in ("a.b", "*", "", "x" * 65):
        with pytest.raises(BadName):
            await results.get(wrong)


async def test_the_first_result_wins_and_the_second_is_told(
    results: Results, connect: Async, prefix: str
) -> None:
    other = Results(await connect(), prefix)
    outcomes = await asyncio.gather(
        *(each.put("t1", good(f"{n}"), attempt=n) for n in range(1, 9) for each in (results, other))
    )
    first = await results.get("t1")
    winner = int(text_of(first))
    # Both write the winning attempt under one message id: they are the same write.
    assert [
        n for n, won in zip((n for n in range(1, 9) for _ in "ab"), outcomes, strict=True) if won
    ] == [winner] * 2
    assert not await results.put("t1", good("late"), attempt=99)
    assert await results.get("t1") == first


async def test_the_lost_acknowledgement_of_our_own_result_is_no_defeat(
    own_broker: Broker,
    connect: Async,
    proxy_to: Async,
    prefix: str,
    streams: Async,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jetstream, "_ATTEMPT_TIMEOUT", 0.3)
    beside = Results(await connect(own_broker.url), prefix)
    await streams(beside._connection, prefix, "RESULTS")
    proxy = await proxy_to(own_broker.url)
    results = Results(await connect(proxy.url), prefix)
    proxy.swallow["down"] = True
    putting = asyncio.create_task(results.put("t1", good("mine"), attempt=1))
    async with asyncio.timeout(5):
        while await beside.get("t1") is None:
            await asyncio.sleep(0.01)
    proxy.swallow["down"] = False
    proxy.cut()
    assert await asyncio.wait_for(putting, 10) is True
    assert await results.put("t1", good("another's"), attempt=2) is False


async def test_our_own_result_is_known_again_when_the_server_has_forgotten_its_message_id(
    results: Results, prefix: str
) -> None:
    """After the duplicate window, only the stored message id tells ours from another's."""
    assert await results.put("t1", good("mine"), attempt=1)
    subject = f"{prefix}.result.t1"
    there = await results._store_first(subject, b'{"ok":true}', {}, "another:r:1")
    assert there is not None
    assert there.headers["nats-msg-id"] == "t1:r:1"
    assert await results.put("t1", good("mine"), attempt=1)


async def test_a_result_is_put_through_a_crash_of_the_server(
    own_results: Results, own_broker: Broker
) -> None:
    own_broker.kill()
    putting = asyncio.create_task(own_results.put("t1", good("done"), attempt=1))
    await asyncio.sleep(0.05)
    await own_broker.start()
    assert await asyncio.wait_for(putting, 10)
    assert text_of(await own_results.get("t1")) == "done"


async def test_a_waiter_gets_a_result_that_was_stored_while_its_link_was_down(
    results: Results,
    connect: Async,
    proxy_to: Async,
    broker: Broker,
    prefix: str,
    eventually: Async,
) -> None:
    proxy = await proxy_to(broker.url)
    waiting = Results(await connect(proxy.url), prefix)
    async with waiting.expect("t1") as waiter, waiting.expect("t2") as other:
        proxy.swallow["down"] = True
        await results.put("t1", good("done"), attempt=1)
        proxy.freeze()
        proxy.cut()
        await eventually(lambda: not waiting._connection.connected)
        proxy.swallow["down"] = False
        proxy.thaw()
        assert text_of(await waiter.wait(5)) == "done"
        await results.put("t2", good("also"), attempt=1)
        assert text_of(await other.wait(5)) == "also"


async def test_a_waiter_gets_its_result_over_a_crash_of_the_server(
    own_results: Results, own_broker: Broker
) -> None:
    async with own_results.expect("t1") as waiter:
        for _ in range(2):
            own_broker.kill()
            await own_broker.start()
        await own_results.put("t1", good("done"), attempt=1)
        assert text_of(await waiter.wait(5)) == "done"


async def test_after_a_break_the_look_up_is_tried_until_it_is_answered(
    results: Results, connect: Async, proxy_to: Async, broker: Broker, prefix: str
) -> None:
    proxy = await proxy_to(broker.url)
    connection = await connect(proxy.url)
    waiting = Results(connection, prefix)
    breaks: list[int] = []

    def break_again() -> None:
        if len(breaks) < 3:
            breaks.append(1)
            proxy.cut()

    connection.on_reconnect.append(break_again)
    async with waiting.expect("t1") as waiter:
        proxy.swallow["down"] = True
        await results.put("t1", good("done"), attempt=1)
        proxy.swallow["down"] = False
        proxy.cut()
        assert text_of(await waiter.wait(10)) == "done"
    assert breaks


async def test_who_begins_to_wait_while_the_link_is_down_gets_the_result_when_it_is_back(
    results: Results,
    connect: Async,
    proxy_to: Async,
    broker: Broker,
    prefix: str,
    eventually: Async,
) -> None:
    proxy = await proxy_to(broker.url)
    waiting = Results(await connect(proxy.url), prefix)
    await results.put("t1", good("done"), attempt=1)
    proxy.freeze()
    proxy.cut()
    await eventually(lambda: not waiting._connection.connected)
    async with waiting.expect("t1", submitted=True) as waiter:
        with pytest.raises(TimeoutError):
            await waiter.wait(0.05)
        proxy.thaw()
        assert text_of(await waiter.wait(10)) == "done"


async def test_who_waits_is_told_that_the_server_closed_the_connection_for_good(
    connect: Async, broker: Broker, prefix: str
) -> None:
    connection = await connect(broker.url)
    async with Results(connection, prefix).expect("t1") as waiter:
        await connection._nats.close()  # as when the server refuses to take it back
        with pytest.raises(Unreachable, match="for good"):
            await waiter.wait(5)


async def test_who_begins_to_wait_when_the_connection_is_closed_is_told(
    connection: Connection, prefix: str
) -> None:
    waiting = Results(connection, prefix)
    await connection.close()
    with pytest.raises(Unreachable):
        async with waiting.expect("t1", submitted=True):
            pass


async def test_a_result_in_an_unknown_shape_is_passed_over_and_can_be_replaced(
    results: Results, connection: Connection, prefix: str
) -> None:
    async with results.expect("t1") as waiter:
        await store(connection, f"{prefix}.result.t1", b"not json")
        assert await results.get("t1") is None
        assert await results.put("t1", good("true"), attempt=1)
        assert text_of(await waiter.wait(2)) == "true"


async def test_leaving_without_a_result_leaves_nothing(results: Results) -> None:
    before = len(results._connection._nats._subs)
    async with results.expect("t1"):
        pass
    assert len(results._connection._nats._subs) == before
    assert results._waiting == {}
