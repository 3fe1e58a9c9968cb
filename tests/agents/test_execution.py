"""The life of one delivery, seen from outside: what goes in, what the bus keeps."""

import asyncio
import contextlib
import itertools
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pydantic
import pytest

from pepperpy import Agent, Client, Context, PepperError, Rejected, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.trace import active, new_trace
from pepperpy_schemas.catalog.tasks import TASK, TASK_BARE
from pepperpy_schemas.errors import (
    BadHeader,
    BadPayload,
    DeadlineExceeded,
    HandlerError,
    TaskTimeout,
)
from pepperpy_schemas.messages import Result
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


class Ticket(msgspec.Struct):
    text: str
    n: int = 0


class Strict(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def odd(cls, value: int) -> int:
        if value == 13:
            raise KeyError("a validator of one's own may raise anything")
        return value


async def bare(client: Client, topic: str, body: bytes, **headers: str) -> str:
    """Publishes as any program would; returns the id that the task gets."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ack = await store(
        client.connection, TASK_BARE.of(client.prefix, topic=topic), body, headers=named
    )
    return f"{ack.stream}-{ack.seq}"


async def journal_of(client: Client, task_id: str) -> Journal:
    journal = Journal(client.connection, client.prefix, task_id, "test")
    await journal.read()
    return journal


async def waiting_tasks(client: Client) -> int:
    info = await api(client.connection, f"STREAM.INFO.{stream_name(client.prefix, 'TASKS')}")
    return int(info["state"]["messages"])


def echoing() -> Agent:
    agent = Agent("echoes")

    @agent.task("echo")
    async def echo(ticket: Ticket) -> str:
        return ticket.text

    return agent


# --- results --------------------------------------------------------------------------------------


async def test_a_task_gets_its_result_events_and_is_removed(
    client: Client, working: Working, seen: Any
) -> None:
    async with working(echoing()):
        task_id = await client.submit("echo", Ticket("hi"))
        ended = await client.ended(task_id, wait=5)
    assert json.loads(bytes(ended.result.data)) == "hi"
    assert (ended.topic, ended.attempt) == ("echo", 1)
    (started,) = await seen.named(task_id, "task.started")
    (completed,) = await seen.named(task_id, "task.completed")
    assert completed.data["instance"] == started.data["instance"]
    assert completed.data["duration_ms"] >= 0
    assert completed.event.correlation == task_id
    assert await waiting_tasks(client) == 0


async def test_a_first_delivery_without_trouble_writes_no_journal(
    client: Client, working: Working
) -> None:
    async with working(echoing()):
        task_id = await client.submit("echo", Ticket("hi"))
        await client.ended(task_id, wait=5)
    assert (await journal_of(client, task_id)).history.entries == []


@pytest.mark.parametrize(
    "body", [b'{"text":1}', b"{}", b"", b'{"text":', b"\xff\xfe", b'{"text":"a"}}', b"[" * 100_000]
)
async def test_bad_input_is_refused_at_the_door(
    client: Client, working: Working, seen: Any, body: bytes
) -> None:
    async with working(echoing()):
        task_id = await bare(client, "echo", body)
        with pytest.raises(BadPayload) as caught:
            await client.result(task_id, wait=5)
        assert await client.run("echo", Ticket("next"), wait=5) == "next"
    letter = (await seen.letter("echo")).letter
    assert (letter.task_id, letter.reason) == (task_id, "bad_payload")
    assert len(letter.attempts) == 1
    assert caught.value.context["path"].startswith("$")
    (rejected,) = await seen.named(task_id, "task.rejected")
    assert rejected.data["code"] == "bad_payload"
    assert "task.started" not in await seen.names(task_id)


async def test_the_wrong_field_is_named_by_its_path(client: Client, working: Working) -> None:
    async with working(echoing()):
        with pytest.raises(BadPayload, match=r"\$\.n: Expected `int`, got `str`") as caught:
            await client.run("echo", {"text": "a", "n": "one"}, wait=5)
    assert caught.value.context == {"path": "$.n"}


async def test_a_validator_that_raises_something_else_refuses_the_body(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("strict")

    @agent.task("odd")
    async def odd(data: Strict) -> int:
        return data.n

    async with working(agent):
        with pytest.raises(BadPayload, match="KeyError"):
            await client.run("odd", {"n": 13}, wait=5)
        assert await client.run("odd", {"n": 3}, wait=5) == 3
    assert (await seen.letter("odd")).letter.reason == "bad_payload"


async def test_a_body_that_is_no_text_is_kept_whole_in_its_dead_letter(
    client: Client, working: Working, seen: Any
) -> None:
    async with working(echoing()):
        await client.ended(await bare(client, "echo", b"\xff\x00"), wait=5)
    letter = (await seen.letter("echo")).letter
    assert (letter.body, letter.body_base64) == (None, "/wA=")


async def test_a_body_too_large_for_its_dead_letter_goes_there_by_reference(
    client: Client, working: Working, seen: Any
) -> None:
    async with working(echoing()):
        task_id = await bare(client, "echo", b"\xff" * 900_000)
        with pytest.raises(BadPayload):
            await client.result(task_id, wait=5)
    filed = await seen.letter("echo")
    assert "size=900000" in filed.letter.headers["Pp-Blob"]


# --- attempts -------------------------------------------------------------------------------------


async def test_a_failing_attempt_is_repeated_until_it_succeeds(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("flaky")
    began: list[tuple[int, float]] = []

    @agent.task("flaky", retries=3, retry_delay=0.1)
    async def flaky(data: None, ctx: Context) -> int:
        began.append((ctx.attempt, asyncio.get_running_loop().time()))
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt

    async with working(agent):
        task_id = await client.submit("flaky")
        ended = await client.ended(task_id, wait=5)
    assert ended.attempt == 3
    assert [number for number, _ in began] == [1, 2, 3]
    first, second = (b[1] - a[1] for a, b in itertools.pairwise(began))
    assert first >= 0.05
    assert second >= 0.1
    retries = await seen.named(task_id, "task.retry", count=2)
    assert [one.event.attempt for one in retries] == [1, 2]
    assert retries[0].data["error"]["message"] == "ConnectionError: not yet"
    assert 0.05 <= retries[0].data["wait"] <= 0.1
    assert 0.1 <= retries[1].data["wait"] <= 0.2
    kinds = [type(entry).__name__ for entry in (await journal_of(client, task_id)).history.entries]
    assert kinds == ["FailureEntry", "ClaimEntry", "FailureEntry", "ClaimEntry"]
    assert not await seen.letters()


async def test_a_task_that_never_succeeds_becomes_a_dead_letter_with_every_attempt(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("hopeless")

    @agent.task("hopeless", retries=2, retry_delay=0.01)
    async def hopeless(data: str, ctx: Context) -> None:
        raise ValueError(f"no {ctx.attempt}")

    async with working(agent):
        task_id = await client.submit("hopeless", "x", headers={"x-mine": "yes"})
        with pytest.raises(HandlerError, match="no 3") as caught:
            await client.result(task_id, wait=5)
    assert caught.value.context == {"type": "builtins.ValueError"}
    letter = (await seen.letter("hopeless")).letter
    assert letter.reason == "handler_error"
    assert (letter.body, letter.headers["x-mine"], letter.deliveries) == ('"x"', "yes", 3)
    assert [one.attempt for one in letter.attempts] == [1, 2, 3]
    messages = [one.error.message for one in letter.attempts if one.error]
    assert messages == ["ValueError: no 1", "ValueError: no 2", "ValueError: no 3"]
    (failed,) = await seen.named(task_id, "task.failed")
    assert failed.event.attempt == 3
    assert await waiting_tasks(client) == 0


async def test_without_retries_the_first_error_is_the_end(
    client: Client, working: Working, seen: Any
) -> None:
    agent, calls = Agent("once"), []

    @agent.task("once", retries=0)
    async def once(data: None) -> None:
        calls.append(1)
        raise ValueError("no")

    async with working(agent):
        with pytest.raises(HandlerError):
            await client.run("once", wait=5)
    assert len(calls) == 1
    assert len((await seen.letter("once")).letter.attempts) == 1


async def test_only_named_exceptions_are_repeated(client: Client, working: Working) -> None:
    agent, calls = Agent("picky"), []

    @agent.task("picky", retries=5, retry_delay=0.01, retry_on=(OSError, LookupError))
    async def picky(data: None) -> None:
        calls.append(1)
        raise KeyError("again") if len(calls) == 1 else ValueError("enough")

    async with working(agent):
        with pytest.raises(HandlerError, match="ValueError: enough"):
            await client.run("picky", wait=5)
    assert len(calls) == 2


async def test_a_handler_may_refuse_a_task_for_good(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("no")

    @agent.task("no", retries=5)
    async def no(data: None) -> None:
        raise Rejected("not for us", hint="ask elsewhere")

    async with working(agent):
        task_id = await client.submit("no")
        with pytest.raises(Rejected, match="not for us") as caught:
            await client.result(task_id, wait=5)
    assert caught.value.hint == "ask elsewhere"
    await seen.named(task_id, "task.rejected")
    assert not await seen.letters()


@pytest.mark.parametrize(
    ("raised", "attempts", "message"),
    [
        (SystemExit(3), 1, "SystemExit: 3"),
        (asyncio.CancelledError(), 2, "the handler raised CancelledError"),
        (TimeoutError("mine"), 2, "TimeoutError: mine"),
        (StopAsyncIteration("x"), 2, "StopAsyncIteration: x"),
    ],
)
async def test_an_unusual_exception_fails_the_task_and_not_the_worker(
    client: Client, working: Working, raised: BaseException, attempts: int, message: str
) -> None:
    agent, calls = Agent("odd"), []

    @agent.task("odd", retries=1, retry_delay=0.01)
    async def odd(fail: bool) -> str:
        calls.append(1)
        if fail:
            raise raised
        return "fine"

    async with working(agent):
        with pytest.raises(HandlerError) as caught:
            await client.run("odd", True, wait=5)
        assert len(calls) == attempts
        assert await client.run("odd", False, wait=5) == "fine"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "words"),
    [(object(), "odd returned cannot be written as JSON"), ("\ud800", "cannot be written")],
)
async def test_what_cannot_be_written_as_json_fails_at_once(
    client: Client, working: Working, seen: Any, value: object, words: str
) -> None:
    agent, calls = Agent("odd"), []

    @agent.task("odd", retries=5)
    async def odd(data: None):  # type: ignore[no-untyped-def]
        calls.append(1)
        return value

    async with working(agent):
        with pytest.raises(HandlerError, match=words):
            await client.run("odd", wait=5)
    assert len(calls) == 1
    assert (await seen.letter("odd")).letter.reason == "handler_error"


async def test_a_serialiser_that_raises_fails_the_task(client: Client, working: Working) -> None:
    class Broken(pydantic.BaseModel):
        n: int = 1

        @pydantic.field_serializer("n")
        def write(self, n: int) -> int:
            raise RuntimeError("cannot say")

    agent = Agent("odd")

    @agent.task("odd", retries=0)
    async def odd(data: None) -> Any:
        return Broken()

    async with working(agent):
        with pytest.raises(HandlerError, match="cannot say"):
            await client.run("odd", wait=5)


async def test_a_result_larger_than_a_message_arrives_whole(
    client: Client, working: Working
) -> None:
    agent, calls = Agent("vast"), []

    @agent.task("vast")
    async def vast(data: None) -> str:
        calls.append(1)
        return "x" * 2_000_000

    async with working(agent):
        assert await client.run("vast", wait=10) == "x" * 2_000_000
    assert len(calls) == 1


async def test_an_error_longer_than_the_broker_takes_is_cut(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("wordy")

    @agent.task("wordy", retries=1, retry_delay=0.01)
    async def wordy(data: None) -> None:
        raise ValueError("x" * 2_000_000)

    async with working(agent):
        with pytest.raises(HandlerError) as caught:
            await client.run("wordy", wait=5)
    assert len(str(caught.value)) < 3000
    assert len((await seen.letter("wordy")).letter.attempts) == 2


# --- time -----------------------------------------------------------------------------------------


async def test_an_attempt_that_overruns_is_canceled_and_repeated(
    client: Client, working: Working, seen: Any
) -> None:
    agent, cleaned = Agent("slow"), []

    @agent.task("slow", timeout=0.1, retries=1, retry_delay=0.01)
    async def slow(data: None, ctx: Context) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(ctx.attempt)

    async with working(agent):
        task_id = await client.submit("slow")
        with pytest.raises(TaskTimeout, match=r"slow ran longer than 0\.1 s"):
            await client.result(task_id, wait=5)
    assert cleaned == [1, 2]
    letter = (await seen.letter("slow")).letter
    assert [one.error.code for one in letter.attempts if one.error] == ["timeout", "timeout"]


async def test_a_task_past_its_deadline_is_stopped_and_not_repeated(
    client: Client, working: Working, seen: Any
) -> None:
    agent, attempts = Agent("slow"), []

    @agent.task("slow", retries=5)
    async def slow(data: None, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        assert ctx.deadline is not None
        await asyncio.sleep(30)

    async with working(agent):
        with pytest.raises(DeadlineExceeded, match="ran past its deadline"):
            await client.run("slow", timeout="1s", wait=5)
    assert attempts == [1]
    assert (await seen.letter("slow")).letter.reason == "deadline_exceeded"


async def test_a_deadline_that_passed_in_the_queue_means_not_started(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    agent, calls = Agent("late"), []

    @agent.task("late")
    async def late(data: None) -> None:
        calls.append(1)

    task_id = await client.submit("late", timeout="1ms")
    async with working(agent):
        with pytest.raises(DeadlineExceeded, match="was not started before its deadline"):
            await client.result(task_id, wait=5)
    assert not calls
    assert "task.started" not in await seen.names(task_id)


async def test_the_last_error_of_a_late_repeat_is_in_its_dead_letter(
    client: Client, working: Working, seen: Any
) -> None:
    agent = Agent("late")

    @agent.task("late", retries=3, retry_delay=0.01)
    async def late(data: None, ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ValueError("first")
        await asyncio.sleep(30)

    async with working(agent):
        with pytest.raises(DeadlineExceeded):
            await client.run("late", timeout="1s", wait=5)
    letter = (await seen.letter("late")).letter
    codes = [one.error.code for one in letter.attempts if one.error]
    assert codes == ["handler_error", "deadline_exceeded"]


# --- ids and headers ------------------------------------------------------------------------------


async def test_the_id_is_the_place_the_subject_or_the_header(
    client: Client, working: Working
) -> None:
    agent = Agent("who")

    @agent.task("who")
    async def who(data: None, ctx: Context) -> str:
        return ctx.task_id

    async with working(agent):
        by_place = await bare(client, "who", b"null")
        assert await client.result(by_place, wait=5) == by_place
        await store(client.connection, TASK.of(client.prefix, topic="who", id="by-subject"), b"")
        assert await client.result("by-subject", wait=5) == "by-subject"
        await bare(client, "who", b"", pp_ID="by-header")
        assert await client.result("by-header", wait=5) == "by-header"


@pytest.mark.parametrize("name", ["Pp-Id", "pp-id", "PP-ID", "pP-iD"])
async def test_headers_are_read_in_any_letter_case(
    client: Client, working: Working, name: str
) -> None:
    async with working(echoing()):
        await bare(client, "echo", b'{"text":"hi"}', **{name: "chosen"})
        assert await client.result("chosen", wait=5) == "hi"


@pytest.mark.parametrize(
    ("name", "value"),
    [("Pp-Id", "a.b"), ("Pp-Id", "x" * 65), ("Pp-Timeout-Ms", "soon"), ("Pp-Priority", "urgent")],
)
async def test_an_unreadable_header_is_refused_at_an_address_that_exists(
    client: Client, working: Working, seen: Any, name: str, value: str
) -> None:
    async with working(echoing()):
        task_id = await bare(client, "echo", b'{"text":"hi"}', **{name: value})
        with pytest.raises(BadHeader) as caught:
            await client.result(task_id, wait=5)
    assert caught.value.context["header"].lower() == name.lower()
    assert (await seen.letter("echo")).letter.reason == "bad_header"


async def test_a_schema_that_the_topic_never_had_is_refused_and_an_unknown_field_ignored(
    client: Client, working: Working, seen: Any
) -> None:
    body = b'{"text":"hi","added":1}'
    async with working(echoing()):
        good = await bare(client, "echo", body, **{"Pp-Schema": "echo.v1"})
        assert await client.result(good, wait=5) == "hi"
        bad = await bare(client, "echo", body, **{"Pp-Schema": "echo.v99"})
        with pytest.raises(
            BadHeader, match=r"Pp-Schema is 'echo\.v99', which topic echo never had"
        ):
            await client.result(bad, wait=5)
    letter = (await seen.letter("echo")).letter
    assert (letter.task_id, letter.reason) == (bad, "bad_header")
    assert "task.started" not in await seen.names(bad)


async def test_a_chosen_id_with_a_result_is_not_run_again(
    client: Client, working: Working, eventually: Eventually
) -> None:
    agent, calls = Agent("once"), []

    @agent.task("once")
    async def once(data: int) -> int:
        calls.append(data)
        return data

    async with working(agent):
        await bare(client, "once", b"1", pp_id="same")
        assert await client.result("same", wait=5) == 1

        async def settled() -> bool:
            return await waiting_tasks(client) == 0

        await eventually(settled)
        await bare(client, "once", b"2", pp_id="same")
        await eventually(settled)
    assert calls == [1]
    assert await client.result("same") == 1


# --- bodies ---------------------------------------------------------------------------------------


async def test_a_binary_cloudevent_is_unwrapped(client: Client, working: Working) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    async with working(echoing()):
        task_id = await bare(client, "echo", b'{"text":"hi"}', **headers)
        assert await client.result(task_id, wait=5) == "hi"


async def test_a_structured_cloudevent_is_unwrapped(client: Client, working: Working) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"text": "hi"}}
    async with working(echoing()):
        task_id = await bare(
            client,
            "echo",
            json.dumps(event).encode(),
            **{"content-type": "application/cloudevents+json"},
        )
        assert await client.result(task_id, wait=5) == "hi"


async def test_a_broken_cloudevent_is_refused(client: Client, working: Working, seen: Any) -> None:
    async with working(echoing()):
        task_id = await bare(
            client, "echo", b"{}", **{"content-type": "application/cloudevents+json"}
        )
        with pytest.raises(PepperError):
            await client.result(task_id, wait=5)
    assert (await seen.letter("echo")).letter.task_id == task_id


async def test_a_large_body_comes_by_reference(client: Client, working: Working) -> None:
    agent = Agent("sizes")

    @agent.task("size")
    async def size(text: str) -> int:
        return len(text)

    async with working(agent):
        assert await client.run("size", "x" * 3_000_000, wait=20) == 3_000_000


async def test_a_reference_to_nothing_is_refused(
    client: Client, working: Working, seen: Any
) -> None:
    nothing = f"gone;sha256={'0' * 64};size=5"
    async with working(echoing()):
        task_id = await bare(client, "echo", b"null", pp_blob=nothing)
        with pytest.raises(PepperError):
            await client.result(task_id, wait=5)
    assert (await seen.letter("echo")).letter.task_id == task_id


# --- redelivery, two at once ----------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker hands a silent task over after half a second."""
    monkeypatch.setattr(consumers, "ACK_WAIT", 0.5)


async def test_a_late_first_attempt_is_fenced_by_the_claim_of_the_second(
    client: Client,
    working: Working,
    impatient: None,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release, ran = asyncio.Event(), []
    agent = Agent("twins")

    @agent.task("twin", retries=3)
    async def twin(data: None, ctx: Context) -> int:
        ran.append(ctx.attempt)
        if ctx.attempt == 1:
            await release.wait()
            raise ValueError("too late")
        await release.wait()
        await asyncio.sleep(0.2)
        return ctx.attempt

    with caplog.at_level(logging.WARNING):
        async with working(agent):
            task_id = await client.submit("twin")
            await eventually(lambda: ran[:2] == [1, 2])
            release.set()
            ended = await client.ended(task_id, wait=5)
    assert ended.attempt == 2
    journal = await journal_of(client, task_id)
    assert journal.history.failures == 0  # what the first one had to say is not there
    assert "task.lost" in caplog.text


async def test_a_worker_that_stops_does_not_give_back_what_another_has_claimed(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    ran: list[int] = []
    agent = Agent("twins")

    @agent.task("twin", retries=3, timeout=None)
    async def twin(data: None, ctx: Context) -> None:
        ran.append(ctx.attempt)
        await asyncio.Event().wait()

    async with working(agent, grace=0.0):
        task_id = await client.submit("twin")
        await eventually(lambda: ran)
        theirs = await journal_of(client, task_id)
        await theirs.claim(2)  # as after a silence of half a minute
    assert (await journal_of(client, task_id)).history.entries == theirs.history.entries
    await theirs.failed(2, HandlerError("theirs is not fenced").info())
    config = consumers.task_consumer(client.prefix, "twin")
    stream = stream_name(client.prefix, "TASKS")
    again: list[Delivery] = []
    async with Puller(client.connection, stream, config["name"], slots=1, on_delivery=again.append):
        await client.submit("twin")
        await eventually(lambda: again)
    assert again[0].deliveries == 1  # the new one: the first is not handed out a second time


async def test_the_first_result_wins_whoever_brings_it(
    client: Client, working: Working, impatient: None, seen: Any, eventually: Eventually
) -> None:
    gates, ran, done = {1: asyncio.Event(), 2: asyncio.Event()}, [], []
    agent = Agent("twins")

    @agent.task("twin")
    async def twin(data: None, ctx: Context) -> int:
        if ctx.attempt > 2:
            await asyncio.sleep(30)
        ran.append(ctx.attempt)
        await gates[ctx.attempt].wait()
        done.append(ctx.attempt)
        return ctx.attempt

    async with working(agent, grace=3.0):
        task_id = await client.submit("twin")
        await eventually(lambda: ran[:2] == [1, 2])
        gates[1].set()
        assert await client.result(task_id, wait=5) == 1
        gates[2].set()
        await eventually(lambda: done == [1, 2])
        assert await client.result(task_id) == 1
    assert len(await seen.named(task_id, "task.completed")) == 1


async def test_a_crashed_broker_that_counts_deliveries_anew_runs_nothing_again(
    own_broker: Broker, impatient: None, eventually: Eventually
) -> None:
    """After a crash even a message that was delivered before may come as if for the first time."""
    agent, calls, gate = Agent("once"), [], asyncio.Event()

    @agent.task("once", concurrency=1, timeout=None)
    async def once(name: str) -> None:
        calls.append(name)
        await gate.wait()

    async with connect(own_broker.url) as client, connect(own_broker.url) as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run())
        await client.submit("once", "held")
        await eventually(lambda: calls)
        task_id = await client.submit("once", "waiting")
        theirs = Result(ok=True, data=msgspec.Raw(b'"theirs"'))
        await client.results.put(task_id, theirs, attempt=1)
        own_broker.kill()
        await own_broker.start()
        gate.set()

        async def gone() -> bool:
            return await waiting_tasks(client) == 0

        await eventually(gone, within=20)
        worker.stop()
        await running
    assert calls == ["held"]


async def test_a_failure_before_a_crash_of_the_broker_is_counted(
    own_broker: Broker, eventually: Eventually
) -> None:
    agent, attempts = Agent("tries"), []

    @agent.task("try", retries=1, retry_delay=0.01)
    async def fail(data: None, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("again")

    async with connect(own_broker.url) as client, connect(own_broker.url) as own:
        task_id = await client.submit("try")
        await (await journal_of(client, task_id)).failed(1, HandlerError("before").info())
        worker = Worker(agent, own, WorkerOptions())
        worker._executor._beginning.away_ns = (
            2**63
        )  # as after a crash that made it forget the delivery
        running = asyncio.create_task(worker.run())
        ended = await client.ended(task_id, wait=5)
        worker.stop()
        await running
    assert attempts == [2]
    assert ended.attempt == 2


async def test_a_redelivered_task_with_a_result_is_not_run_again(
    client: Client, working: Working, eventually: Eventually
) -> None:
    """As after a worker that died between result and acknowledgement."""
    agent, calls = Agent("once"), []

    @agent.task("once")
    async def once(data: None) -> None:
        calls.append(1)

    config = consumers.task_consumer(client.prefix, "once")
    stream = stream_name(client.prefix, "TASKS")
    taken: list[Delivery] = []
    await ensure_consumer(client.connection, stream, config)
    task_id = await client.submit("once")
    async with Puller(client.connection, stream, config["name"], slots=1, on_delivery=taken.append):
        await eventually(lambda: taken)
    theirs = Result(ok=True, data=msgspec.Raw(b'"theirs"'))
    await client.results.put(task_id, theirs, attempt=1)
    await taken[0].nak()
    async with working(agent):

        async def gone() -> bool:
            return await waiting_tasks(client) == 0

        await eventually(gone)
    assert not calls
    assert await client.result(task_id) == "theirs"


# --- what belongs to it ---------------------------------------------------------------------------


async def test_a_priority_goes_with_every_event_of_its_task(
    client: Client, working: Working, seen: Any
) -> None:
    async with working(echoing()):
        task_id = await client.submit("echo", Ticket("hi"), priority="high")
        await client.ended(task_id, wait=5)
    (completed,) = await seen.named(task_id, "task.completed")
    assert completed.event.priority == "high"


async def test_every_log_line_of_an_attempt_carries_its_task(
    client: Client, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent("logs")

    @agent.task("logs", retries=0)
    async def logs(data: None, ctx: Context) -> None:
        ctx.log.info("found.it", where="here")
        raise ValueError("oops")

    with caplog.at_level(logging.INFO):
        async with working(agent):
            task_id = await client.submit("logs")
            await client.ended(task_id, wait=5)
    fields = {one.message: getattr(one, "fields", {}) for one in caplog.records}
    assert fields["found.it"] == {
        "task_id": task_id,
        "topic": "logs",
        "attempt": 1,
        "where": "here",
    }
    assert fields["task.attempt_failed"]["task_id"] == task_id


async def test_a_handler_that_raises_is_logged_with_its_own_lines_and_a_failure_for_good(
    client: Client, working: Working, seen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent("logs")

    def divide(n: int) -> float:
        return 1 / n

    @agent.task("logs", retries=1, retry_delay=0)
    async def logs(data: None, ctx: Context) -> float:
        return divide(0)

    @agent.task("threads", retries=0)
    def threads(data: None) -> float:
        return divide(0)

    with caplog.at_level(logging.WARNING):
        async with working(agent):
            task_id = await client.submit("logs")
            await client.ended(task_id, wait=5)
            await client.ended(await client.submit("threads"), wait=5)
    first, second, end, threaded, _ = caplog.records
    assert (first.message, first.levelname) == ("task.attempt_failed", "WARNING")
    assert vars(first)["fields"]["retry_in"] == "0s"
    assert "retry_in" not in vars(second)["fields"]
    for one in (first, second, threaded):
        assert one.exc_info is not None
        frames = [frame.name for frame in traceback.extract_tb(one.exc_info[2])]
        assert frames == [one.fields["topic"], "divide"]  # type: ignore[attr-defined]  # ours
    assert (end.message, end.levelname) == ("task.failed", "ERROR")
    letter = await seen.letter("logs")
    assert vars(end)["fields"] == {
        "task_id": task_id,
        "topic": "logs",
        "attempts": 2,
        "code": "handler_error",
        "error": "ZeroDivisionError: division by zero",
        "dead_letter": f"pepperpy dlq show {letter.seq}",
    }


async def test_the_hint_of_a_refused_body_names_the_topic(client: Client, working: Working) -> None:
    async with working(echoing()):
        with pytest.raises(BadPayload, match=r"^\$\.text is missing$") as caught:
            await client.run("echo", {"n": 1}, wait=5)
    assert caught.value.hint == "show the schema with: pepperpy schema show echo"


async def test_the_trace_goes_on_into_what_the_handler_submits(
    client: Client, working: Working
) -> None:
    agent = Agent("traces")

    @agent.task("outer")
    async def outer(data: None, ctx: Context) -> str:
        return await ctx.submit("inner")

    @agent.task("threaded")
    def threaded(data: None, ctx: Any) -> str:
        return str(ctx.submit("inner"))

    @agent.task("inner")
    async def inner(data: None, ctx: Context) -> str:
        return ctx.headers["traceparent"]

    trace = new_trace()
    async with working(agent):
        for topic in ("outer", "threaded"):
            with active(trace):
                child = await client.run(topic, wait=5)
            found = await client.result(child, wait=5)
            assert found.split("-")[1] == trace.trace_id
            assert found.split("-")[2] != trace.span_id
