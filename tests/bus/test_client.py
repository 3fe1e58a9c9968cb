import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client, ClientState
from pepperpy_bus.config import load
from pepperpy_bus.link import dialing
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.opening import connect
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.reading import Stored, all_on, last_on
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.tasks.results import Ended
from pepperpy_bus.trace import active, new_trace
from pepperpy_schemas.errors import (
    BadHeader,
    BadName,
    BadPayload,
    Conflict,
    HandlerError,
    NotFound,
    QueueFull,
    RemoteError,
    TopologyDrift,
    Unreachable,
)
from pepperpy_schemas.messages import Result, TopicSchema

Worker = Callable[..., Any]
Eventually = Callable[..., Awaitable[None]]
DIRECT = {"nats-stream", "nats-subject", "nats-sequence", "nats-time-stamp"}


async def queued(bus: Client, subject: str) -> Stored:
    found = await last_on(bus.connection, f"{bus.prefix.upper()}_TASKS", f"{bus.prefix}.{subject}")
    assert found is not None
    return found


def own_headers(stored: Stored) -> dict[str, str]:
    return {name: value for name, value in stored.headers.items() if name not in DIRECT}


# --- submit ---------------------------------------------------------------------------------------


async def test_a_task_is_stored_under_a_random_id_that_the_caller_gets(bus: Client) -> None:
    first = await bus.submit("echo", {"text": "hi"})
    second = await bus.submit("echo", {"text": "hi"})
    assert first != second
    task = await queued(bus, f"task.echo.{first}")
    assert task.body == b'{"text":"hi"}'
    assert own_headers(task) == {"pp-source": "tester", "nats-msg-id": first}


async def test_what_is_said_about_a_task_travels_in_headers(bus: Client) -> None:
    task_id = await bus.submit(
        "echo",
        id="mine",
        timeout="1m30s",
        parent="p",
        root="r",
        headers={"X-Own": "1", "baggage": "k=v"},
    )
    task = await queued(bus, "task.echo.mine")
    assert (task_id, task.body) == ("mine", b"null")
    assert own_headers(task) == {
        "pp-id": "mine",
        "pp-source": "tester",
        "pp-timeout-ms": "90000",
        "pp-parent": "p",
        "pp-root": "r",
        "x-own": "1",
        "baggage": "k=v",
        "nats-msg-id": "mine",
    }


async def test_headers_that_command_the_server_are_dropped(bus: Client) -> None:
    task_id = await bus.submit(
        "echo",
        headers={"Nats-Msg-Id": "other", "nats-ttl": "1s", "NATS-Rollup": "all", "x": "kept"},
    )
    headers = own_headers(await queued(bus, f"task.echo.{task_id}"))
    assert headers == {"pp-source": "tester", "x": "kept", "nats-msg-id": task_id}


async def test_an_option_is_stronger_than_the_same_header(bus: Client) -> None:
    task_id = await bus.submit("echo", timeout=1, headers={"pp-timeout-ms": "5", "PP-SOURCE": "x"})
    headers = own_headers(await queued(bus, f"task.echo.{task_id}"))
    assert (headers["pp-timeout-ms"], headers["pp-source"]) == ("1000", "tester")


@pytest.mark.parametrize("name", ["Pp-Id", "pp-id", "PP-PRIORITY"])
async def test_headers_that_would_contradict_the_subject_are_refused(
    bus: Client, name: str
) -> None:
    with pytest.raises(BadHeader, match="is not set among the headers") as refused:
        await bus.submit("echo", headers={name: "high"})
    assert refused.value.hint.startswith("give it as ")


async def test_a_high_priority_task_goes_to_its_own_lane(bus: Client) -> None:
    task_id = await bus.submit("echo", priority="high")
    task = await queued(bus, f"task.echo-hi.{task_id}")
    assert task.headers["pp-priority"] == "high"
    normal = await bus.submit("echo", priority="normal")
    assert "pp-priority" not in (await queued(bus, f"task.echo.{normal}")).headers
    with pytest.raises(BadHeader, match="priority is 'urgent'") as refused:
        await bus.submit("echo", priority="urgent")
    assert refused.value.hint == "use one of normal, high"


@pytest.mark.parametrize(
    ("topic", "options"),
    [
        ("a b", {}),
        ("a.b", {}),
        ("", {}),
        ("*", {}),
        ("echo-hi", {}),
        ("echo", {"id": ""}),
        ("echo", {"id": "a.b"}),
        ("echo", {"id": "x" * 65}),
        ("echo", {"parent": "a b"}),
        ("echo", {"root": ">"}),
    ],
)
async def test_names_that_cannot_travel_are_refused(
    bus: Client, topic: str, options: dict[str, Any]
) -> None:
    with pytest.raises(BadName):
        await bus.submit(topic, **options)
    assert await all_on(bus.connection, f"{bus.prefix.upper()}_TASKS", f"{bus.prefix}.>") == []


async def test_the_same_id_with_the_same_body_is_one_task(bus: Client) -> None:
    for _ in range(3):
        assert await bus.submit("echo", {"a": 1}, id="mine") == "mine"
    stored = await all_on(bus.connection, f"{bus.prefix.upper()}_TASKS", f"{bus.prefix}.>")
    assert len(stored) == 1


async def test_the_same_id_with_another_body_or_topic_is_a_conflict(bus: Client) -> None:
    await bus.submit("echo", {"a": 1}, id="mine")
    with pytest.raises(Conflict, match="mine is taken by a task with another topic or body"):
        await bus.submit("echo", {"a": 2}, id="mine")
    with pytest.raises(Conflict, match="mine is taken by a task with another topic or body"):
        await bus.submit("other", {"a": 1}, id="mine")
    # Another lane is the same topic.
    await bus.submit("echo", {"a": 1}, id="mine", priority="high")


async def test_large_bodies_under_one_id_are_told_apart(bus: Client) -> None:
    one, other = "x" * 600_000, "y" * 600_000
    await bus.submit("echo", one, id="mine")
    await bus.submit("echo", one, id="mine")
    with pytest.raises(Conflict):
        await bus.submit("echo", other, id="mine")
    with pytest.raises(Conflict):
        await bus.submit("echo", None, id="mine")


async def test_a_result_without_a_fingerprint_answers_for_its_id(
    bus: Client, worker: Worker
) -> None:
    """A worker in another language writes none: there is nothing to compare with."""
    async with worker(bus, "echo"):
        assert await bus.run("echo", 1, id="mine", wait=5) == 1
        assert await bus.run("echo", 2, id="mine", wait=5) == 1


async def test_a_trace_goes_on_in_the_task_from_the_span_that_sent_it(bus: Client) -> None:
    trace = new_trace()
    with active(trace):
        task_id = await bus.submit("echo")
    sent = (await queued(bus, f"task.echo.{task_id}")).headers["traceparent"]
    assert sent == trace.headers()["traceparent"]


async def test_a_queue_that_is_full_refuses_the_task(
    broker: Broker, connection: Connection, prefix: str
) -> None:
    [tasks] = [one for one in streams(prefix, Limits(max_tasks=1)) if one["name"].endswith("TASKS")]
    await api(connection, f"STREAM.CREATE.{tasks['name']}", tasks)
    async with connect(broker.url, bus__prefix=prefix) as bus:
        await bus.submit("echo")
        with pytest.raises(QueueFull) as full:
            await bus.submit("echo")
        assert full.value.retryable


async def test_no_more_publishes_are_under_way_than_allowed(
    broker: Broker, prefix: str, bus: Client, proxy_to: Callable[..., Awaitable[Any]]
) -> None:
    proxy = await proxy_to(broker.url)
    stream, every = f"{prefix.upper()}_TASKS", f"{prefix}.task.>"
    async with connect(proxy.url, bus__prefix=prefix, bus__max_in_flight=3) as far:
        proxy.swallow["down"] = True  # no acknowledgement comes back
        submitting = asyncio.gather(*(far.submit("echo", n) for n in range(20)))
        async with asyncio.timeout(5):
            while len(await all_on(bus.connection, stream, every)) < 3:
                pass
        await bus.submit("echo")
        assert len(await all_on(bus.connection, stream, every)) == 4
        proxy.swallow["down"] = False
        proxy.cut()
        await asyncio.wait_for(submitting, 20)
    assert len(await all_on(bus.connection, stream, every)) == 21


# --- schemas --------------------------------------------------------------------------------------


async def test_a_checked_task_must_fit_the_topics_schema(bus: Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await bus.submit("echo", {}, check=True)  # nobody has announced one
    await bus.schemas.announce(TopicSchema("echo", 1, schema, {}))
    with pytest.raises(BadPayload, match=r"\$\.n is missing") as refused:
        await bus.submit("echo", {}, check=True)
    assert refused.value.context["path"] == "$.n"
    task_id = await bus.submit("echo", {"n": 1}, check=True)
    assert (await queued(bus, f"task.echo.{task_id}")).headers["pp-schema"] == "echo.v1"
    await bus.submit("echo", {})


async def test_a_body_that_json_cannot_carry_is_refused(bus: Client) -> None:
    with pytest.raises(BadPayload):
        await bus.submit("echo", object())


# --- results --------------------------------------------------------------------------------------


class Reply(msgspec.Struct):
    text: str


async def test_run_returns_what_the_handler_returned(bus: Client, worker: Worker) -> None:
    async with worker(bus, "echo"):
        assert await bus.run("echo", {"text": "hi"}) == {"text": "hi"}
        assert await bus.run("echo", {"text": "hi"}, type=Reply, wait="5s") == Reply("hi")
        assert await bus.run("echo", Reply("hi"), priority="high") == {"text": "hi"}
        with pytest.raises(BadPayload, match="text"):
            await bus.run("echo", {"no": 1}, type=Reply)
        many = await asyncio.gather(*(bus.run("echo", n) for n in range(20)))
        assert many == list(range(20))


async def test_run_raises_what_the_task_failed_with(bus: Client, worker: Worker) -> None:
    async with worker(bus, "echo"):
        with pytest.raises(BadPayload, match="no") as failed:
            await bus.run("echo", {"fail": 1}, wait=5)
    assert failed.value.hint == "mend it"


async def test_a_task_that_is_not_waited_for_any_longer_goes_on(
    bus: Client, worker: Worker
) -> None:
    async with worker(bus, "echo", hold=True) as working:
        with pytest.raises(TimeoutError):
            await bus.run("echo", 1, id="slow", wait=0.05)
        with pytest.raises(NotFound, match="task slow has no result") as missing:
            await bus.result("slow")
        assert missing.value.hint == "see where it is: pepperpy explain slow"
        with pytest.raises(TimeoutError):
            await bus.result("slow", wait="10ms")
        working.free.set()
        assert await bus.result("slow", wait=5) == 1
    assert await bus.result("slow", type=int) == 1
    ended = await bus.ended("slow")
    assert (ended.id, ended.result.ok) == ("slow", True)
    assert await bus.ended("slow", wait=1) == ended


async def test_run_under_an_id_that_has_ended_gives_its_result(bus: Client, worker: Worker) -> None:
    async with worker(bus, "echo") as working:
        assert await bus.run("echo", 1, id="mine", wait=5) == 1
        assert await bus.run("echo", 1, id="mine", wait=5) == 1
        assert len(working.seen) == 1


@pytest.mark.parametrize(
    ("stored", "kind"),
    [(b'{"ok":false}', HandlerError), (b'{"ok":false,"error":{"code":"new"}}', RemoteError)],
)
async def test_failures_of_foreign_workers_are_errors_too(
    bus: Client, stored: bytes, kind: type[Exception]
) -> None:
    subject = f"{bus.prefix}.result.t"
    await bus.connection.request(subject, stored)
    with pytest.raises(kind):
        await bus.result("t")


async def test_waiters_are_told_of_what_ended_while_the_broker_was_away(
    own_broker: Broker, prefix: str
) -> None:
    async with (
        connect(own_broker.url, bus__prefix=prefix) as bus,
        connect(own_broker.url, bus__prefix=prefix) as other,
    ):
        waiting = asyncio.create_task(bus.run("echo", 1, id="t", wait=20))
        while not await all_on(bus.connection, f"{prefix.upper()}_TASKS", f"{prefix}.>"):
            pass
        own_broker.kill()
        await own_broker.start()
        await other.results.put("t", Result(ok=True, data=msgspec.Raw(b"7")), attempt=1)
        assert await waiting == 7


async def test_a_large_body_and_a_large_result_travel_by_reference(
    bus: Client, worker: Worker
) -> None:
    large = "x" * 1_500_000
    async with worker(bus, "echo") as working:
        assert await bus.run("echo", large, id="big", wait=10) == large
        delivery = working.seen[0]
    assert delivery.body == b"null"
    assert delivery.headers["pp-blob"].endswith(f"size={len(large) + 2}")
    assert await bus.result("big") == large
    stored = await last_on(
        bus.connection, f"{bus.prefix.upper()}_RESULTS", f"{bus.prefix}.result.big"
    )
    assert stored is not None
    assert json.loads(stored.body) == {"ok": True}


# --- watch and events -----------------------------------------------------------------------------


async def test_a_task_can_be_watched_to_its_end(bus: Client, worker: Worker) -> None:
    async with worker(bus, "echo"):
        task_id = await bus.submit("echo", 1)
        updates = [one async for one in bus.watch(task_id)]
    assert isinstance(updates[-1].ended, Ended)


async def test_events_are_told_and_heard(bus: Client) -> None:
    async with bus.emitter() as emitter:
        await emitter.emit("task", "retry", scope="echo", id="t", attempt=2, certain=True)
    for since in ("1m", 60, 60.0):
        heard = bus.events("task", since=since, until_end=True, where="attempt == 2")
        assert [one.name async for one in heard] == ["task.retry"]
    assert [one async for one in bus.events("task", until_end=True)] == []


# --- connection -----------------------------------------------------------------------------------


async def test_the_client_tells_where_its_connection_is(
    own_broker: Broker, prefix: str, eventually: Eventually
) -> None:
    seen: list[str] = []
    async with connect(own_broker.url, bus__prefix=prefix) as bus:
        assert bus.state is ClientState.CONNECTED

        @bus.on_disconnect
        def lost() -> None:
            seen.append(f"lost {bus.state}")

        @bus.on_reconnect
        async def back() -> None:
            seen.append(f"back {bus.state}")

        @bus.on_close
        def never() -> None:
            seen.append("closed")

        own_broker.kill()
        await eventually(lambda: seen)
        await own_broker.start()
        await eventually(lambda: len(seen) == 2, within=10)
    assert seen == ["lost disconnected", "back connected"]
    assert str(bus.state) == "closed"
    with pytest.raises(Unreachable):
        await bus.submit("echo")


async def test_a_client_whose_connection_ended_for_good_is_closed(
    bus: Client, eventually: Eventually
) -> None:
    told: list[str] = []
    bus.on_close(lambda: told.append(bus.state))
    await bus.connection._nats.close()  # as when the server refuses to take it back
    await eventually(lambda: told)
    assert told == [ClientState.CLOSED]


async def test_a_submit_waits_for_a_broker_that_comes_back(
    own_broker: Broker, prefix: str, eventually: Eventually
) -> None:
    async with connect(own_broker.url, bus__prefix=prefix) as bus:
        own_broker.kill()
        await eventually(lambda: bus.state is ClientState.DISCONNECTED)
        submitting = asyncio.create_task(bus.submit("echo", 1))
        await own_broker.start()
        task_id = await asyncio.wait_for(submitting, 10)
        assert (await queued(bus, f"task.echo.{task_id}")).body == b"1"


async def test_a_submit_gives_up_after_its_time(
    own_broker: Broker, prefix: str, eventually: Eventually
) -> None:
    url = own_broker.url
    async with connect(url, bus__prefix=prefix, bus__publish_timeout="100ms") as bus:
        own_broker.kill()
        await eventually(lambda: bus.state is ClientState.DISCONNECTED)
        with pytest.raises(Unreachable):
            await bus.submit("echo")


async def test_nobody_at_the_address_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(Unreachable, match=r"nats://127\.0\.0\.1:1 within 0\.3 s") as nobody:
        async with connect("nats://127.0.0.1:1", nats__connect_timeout="300ms"):
            pytest.fail("nobody is there")
    assert "pepperpy up" in nobody.value.hint


async def test_missing_streams_are_created_or_named(broker: Broker, prefix: str) -> None:
    with pytest.raises(TopologyDrift, match=f"{prefix.upper()}_TASKS") as lacks:
        async with connect(broker.url, bus__prefix=prefix, bus__provision="check"):
            pytest.fail("nothing is there")
    assert "pepperpy bus apply" in lacks.value.hint
    async with connect(broker.url, bus__prefix=prefix):
        pass
    async with connect(broker.url, bus__prefix=prefix, bus__provision="check") as bus:
        await bus.submit("echo")


async def test_two_prefixes_on_one_broker_know_nothing_of_each_other(
    bus: Client, broker: Broker, prefix: str, worker: Worker
) -> None:
    async with connect(broker.url, bus__prefix=f"{prefix}b") as other, worker(bus, "echo"):
        assert await bus.run("echo", 1, id="same", wait=5) == 1
        await other.submit("echo", 2, id="same")
        with pytest.raises(NotFound):
            await other.result("same")
        async with worker(other, "echo"):
            assert await other.result("same", wait=5) == 2
        assert await bus.result("same") == 1


async def test_ready_settings_are_used_as_they_are(broker: Broker, prefix: str) -> None:
    settings = load(flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={}).settings
    async with connect(settings=settings, patient=True) as bus:
        assert (bus.settings, bus.prefix, bus.source) == (settings, prefix, "")
        task_id = await bus.submit("echo")
        assert "pp-source" not in (await queued(bus, f"task.echo.{task_id}")).headers


async def test_who_waits_for_a_broker_says_how_to_start_one(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "_SAY_AFTER", 0.05)
    nowhere = load(flags={"nats.url": "nats://127.0.0.1:1"}, environ={}).settings
    with caplog.at_level(logging.WARNING, "pepperpy.bus"), pytest.raises(TimeoutError):
        async with asyncio.timeout(1), connect(settings=nowhere, patient=True):
            pytest.fail("nobody is there")
    fields = {one.message: getattr(one, "fields", {}) for one in caplog.records}
    assert fields["bus.waiting"]["hint"].startswith("start one with: pepperpy up")
