"""The table of bad inputs at the task subject: refused, counted, the next good one is served."""

import asyncio
import contextlib
import pickle
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from pepperpy import Agent, Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_schemas.catalog.tasks import RESULT, TASK, TASK_BARE
from pepperpy_schemas.errors import BadHeader, BadName, Conflict, PepperError, TooLarge
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name

NEXT_WITHIN = 1.0
"""Seconds in which the next good request is served."""


class Order(msgspec.Struct):
    text: str = ""
    n: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    share: float = 0.0


class Desk:
    """A worker that takes orders, and what the bus kept of them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.prefix = client.prefix
        self.served: list[Order] = []
        self.agent = Agent("desk")
        self.agent.task("order", retries=3)(self.serve)

    async def serve(self, order: Order) -> int:
        self.served.append(order)
        return order.n

    async def publish(self, body: bytes, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        subject = TASK_BARE.of(self.prefix, topic="order")
        ack = await store(self.client.connection, subject, body, headers=named)
        return f"{ack.stream}-{ack.seq}"

    async def refused(self, task_id: str, code: str) -> None:
        """The task has a failed result and one dead letter with the reason; it never ran."""
        ended = await self.client.ended(task_id, wait=5)
        assert ended.result.error is not None
        assert ended.result.error.code == code
        found = [one async for one in self.client.dead_letters.find()]
        reasons = [one.letter.reason for one in found if one.letter.task_id == task_id]
        assert reasons == [code]
        assert not self.served

    async def settled(self) -> None:
        """Every task is acknowledged, and so its result stored."""
        async with asyncio.timeout(5):
            while await self.messages("TASKS"):
                await asyncio.sleep(0.01)

    async def messages(self, suffix: str) -> int:
        name = stream_name(self.prefix, suffix)
        return int((await api(self.client.connection, f"STREAM.INFO.{name}"))["state"]["messages"])


@pytest.fixture
async def desk(broker: Broker, client: Client, prefix: str) -> AsyncIterator[Desk]:
    """Ends with the proof that the next good request is served and that nothing is left."""
    one = Desk(client)
    async with connect(broker.url, bus__prefix=prefix) as own:
        worker = Worker(one.agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run())
        assert await client.run("order", {"n": 1}, wait=5) == 1
        await one.settled()
        one.served.clear()
        yield one
        async with asyncio.timeout(NEXT_WITHIN):
            assert await client.run("order", {"n": 2}) == 2
        await one.settled()
        worker.stop()
        await running


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


BODIES = {
    "1 empty": b"",
    "2 truncated": b'{"text":"a',
    "3 not UTF-8": b'{"text":"\xff\xfe"}',
    "4 trailing bytes": b'{"text":"a"}}',
    "5 nested 100k deep": b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "5 nested 100k deep, unclosed": b"[" * 100_000,
    "6 100k keys, of a wrong kind": b'{"n":"x",'
    + b",".join(b'"k%d":1' % n for n in range(90_000))
    + b"}",
    "6 a string of almost 1 MiB": b'{"n":"' + b"x" * 1_000_000 + b'"}',
    "7 NaN": b'{"share":NaN}',
    "7 1e400": b'{"share":1e400}',
    "7 10^30": b'{"n":1000000000000000000000000000000}',
    "7 negative": b'{"n":-1}',
    "7 5,000 digits": b'{"n":' + b"9" * 5000 + b"}",
    "8 lone surrogate": b'{"text":"\\ud800"}',
    "9 pickle": pickle.dumps(_Evil()),
    "9 YAML tag": b"!!python/object/apply:os.system ['true']",
    "9 a serialised object in a text's place": b'{"text":{"lc":1,"type":"constructor"}}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_bad_body_is_refused_once_and_for_good(desk: Desk, body: bytes) -> None:
    await desk.refused(await desk.publish(body), "bad_payload")


GOOD = {
    "8 duplicate keys: the last wins": (b'{"n":3,"n":4}', 4),
    "8 NUL, zero-width and RTL in a text": ('{"text":"\\u0000\u200b\u202e"}'.encode(), 0),
    "10 an unknown field is ignored": (b'{"n":5,"later":{"x":1}}', 5),
}


@pytest.mark.parametrize(("body", "answer"), GOOD.values(), ids=GOOD.keys())
async def test_what_only_looks_bad_is_served(desk: Desk, body: bytes, answer: int) -> None:
    assert await desk.client.result(await desk.publish(body), wait=5) == answer


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Pp-Timeout-Ms", "-1", "bad_header"),
        ("Pp-Timeout-Ms", "9" * 5000, "bad_header"),
        ("Pp-Timeout-Ms", "1e3", "bad_header"),
        ("Pp-Id", "a.b", "bad_header"),
        ("Pp-Id", "*", "bad_header"),
        ("Pp-Id", "../x", "bad_header"),
        ("Pp-Id", "\U000e0041", "bad_header"),
        ("Pp-Priority", "urgent", "bad_header"),
        ("Pp-Blob", "../../etc/passwd", "bad_header"),
        ("Pp-Blob", f"x;sha256={'0' * 64};size=999999999999999", "too_large"),
    ],
)
async def test_a_bad_header_is_refused_once_and_for_good(
    desk: Desk, name: str, value: str, code: str
) -> None:
    await desk.refused(await desk.publish(b"{}", **{name: value}), code)


@pytest.mark.parametrize(
    "bad", ["a.b", "*", ">", "a b", "a\r\nb", "..", "a/b", "../x", "x" * 5000, "\U000e0041", "\x00"]
)
async def test_a_bad_name_never_reaches_the_broker(desk: Desk, bad: str) -> None:
    """Rows 8, 11, 12, 13."""
    for wrong in (
        desk.client.submit(bad, {}),
        desk.client.submit("order", {}, id=bad),
        desk.client.submit("order", {}, parent=bad),
        desk.client.results.get(bad),
        desk.client.schemas.latest(bad),
    ):
        with pytest.raises(BadName):
            await wrong
    assert await desk.messages("TASKS") == 0
    assert not desk.served


@pytest.mark.parametrize("subject", ["x" * 5000, "a b", "a\r\nPUB x 0\r\n", ""])
async def test_a_subject_that_would_cut_the_connection_is_refused_here(
    desk: Desk, subject: str
) -> None:
    with pytest.raises(BadName):
        await desk.client.connection.publish(subject, b"x")
    assert desk.client.connection.connected


async def test_body_and_headers_beyond_the_limit_harm_no_other_call(desk: Desk) -> None:
    """Row 14."""
    connection, limit = desk.client.connection, 1024 * 1024
    subject = TASK.of(desk.prefix, topic="order", id="large")
    other = asyncio.create_task(desk.client.run("order", {"n": 9}, wait=5))
    with pytest.raises(TooLarge):
        await store(connection, subject, b"x" * (limit - 10), headers={"x-a": "b" * 4000})
    with pytest.raises(TooLarge):
        await store(connection, subject, b"x" * (limit + 1))
    assert await other == 9
    assert await desk.client.run("order", {"text": "x" * limit, "n": 8}, wait=10) == 8


async def test_headers_that_command_the_server_are_stripped(desk: Desk) -> None:
    """Row 15."""
    commands = {
        "Nats-Rollup": "all",
        "nats-expected-last-sequence": "99999",
        "Nats-TTL": "1s",
        "NATS-Schedule-Target": "x",
        "X-Mine": "kept",
    }
    assert await desk.client.run("order", {"n": 3}, headers=commands, wait=5) == 3
    with pytest.raises(BadHeader, match="1000 headers"):
        await desk.client.submit("order", {}, headers={f"x-{n}": "1" for n in range(1000)})
    with contextlib.suppress(PepperError):  # refused, or made harmless
        forged = await desk.client.submit("order", {}, headers={"x-a": "1\r\nPp-Id: forged"})
        assert await desk.client.result(forged, wait=5) == 0
    assert await desk.client.results.get("forged") is None


async def test_a_thousand_headers_of_a_foreign_client_are_served(desk: Desk) -> None:
    task_id = await desk.publish(b'{"n":6}', **{f"x-{n}": "1" for n in range(1000)})
    assert await desk.client.result(task_id, wait=5) == 6


@pytest.mark.parametrize("where", ["reply", "header"])
async def test_a_worker_answers_nowhere_but_at_the_result(desk: Desk, where: str) -> None:
    """Row 16: the sender cannot make a worker with more rights write for it."""
    spied: list[Any] = []
    target = f"spy.{desk.prefix}"
    async with await desk.client.connection.subscribe(target, spied.append, live=True):
        subject = TASK.of(desk.prefix, topic="order", id="deputy")
        if where == "reply":
            await desk.client.connection.publish(subject, b'{"n":7}', reply=target)
        else:
            await store(
                desk.client.connection, subject, b'{"n":7}', headers={"Pp-Reply-To": target}
            )
        assert await desk.client.result("deputy", wait=5) == 7
        await desk.client.connection.flush()
    # The broker itself acknowledges to a reply subject; the worker adds nothing to that.
    assert [one for one in spied if b'"stream"' not in one.body] == []


async def test_a_second_result_is_refused_and_the_first_stays(desk: Desk) -> None:
    """Row 20."""
    task_id = await desk.client.submit("order", {"n": 4})
    assert await desk.client.result(task_id, wait=5) == 4
    forged = Result(ok=True, data=msgspec.Raw(b"666"))
    assert await desk.client.results.put(task_id, forged, attempt=2) is False
    with pytest.raises(PepperError):
        await store(
            desk.client.connection,
            RESULT.of(desk.prefix, id=task_id),
            RESULT.encode(forged),
            expect_last=0,
        )
    assert await desk.client.result(task_id) == 4


async def test_the_same_id_with_another_body_is_a_conflict(desk: Desk) -> None:
    """Row 21, while the task waits."""
    await desk.client.submit("waiting", {"n": 1}, id="mine")
    await desk.client.submit("waiting", {"n": 1}, id="mine")
    with pytest.raises(Conflict):
        await desk.client.submit("waiting", {"n": 2}, id="mine")
    assert await desk.messages("TASKS") == 1
    name = stream_name(desk.prefix, "TASKS")
    await api(desk.client.connection, f"STREAM.PURGE.{name}")


async def test_the_same_id_with_another_body_is_a_conflict_after_the_end_too(desk: Desk) -> None:
    """Row 21: the result knows what it answered, though the queue has forgotten."""
    client, topic = desk.client, "order"
    assert await client.run(topic, {"n": 1}, id="once", wait="10s") == 1
    assert await client.run(topic, {"n": 1}, id="once", wait="10s") == 1
    with pytest.raises(Conflict, match="once"):
        await client.run(topic, {"n": 2}, id="once", wait="10s")
    with pytest.raises(Conflict, match="once"):
        await client.submit(topic, {"n": 2}, id="once")


async def test_a_captured_task_that_is_sent_again_does_not_run_again(desk: Desk) -> None:
    """Row 22: the message id is forgotten by then, the result is not."""
    subject = TASK.of(desk.prefix, topic="order", id="captured")
    headers = {"Pp-Id": "captured"}
    await store(desk.client.connection, subject, b'{"n":1}', msg_id="a", headers=headers)
    assert await desk.client.result("captured", wait=5) == 1
    await desk.settled()
    desk.served.clear()
    await store(desk.client.connection, subject, b'{"n":1}', msg_id="b", headers=headers)
    await desk.settled()
    assert not desk.served
    assert await desk.client.result("captured") == 1
