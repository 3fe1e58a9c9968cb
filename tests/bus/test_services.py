import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
import nats
import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.services.service import Call, Endpoint, Service, call, call_stream
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.trace import active, current, new_trace
from pepperpy_bus.trust.principals import ANONYMOUS, inbox_prefix
from pepperpy_schemas.errors import (
    BadPayload,
    Canceled,
    DeadlineExceeded,
    HandlerError,
    NotFound,
    Overloaded,
    PepperError,
    PermissionDenied,
    RemoteError,
    Unavailable,
    Unreachable,
)

Async = Callable[..., Coroutine[Any, Any, Any]]


class Ask(msgspec.Struct):
    text: str = ""
    n: int = 3


class Said(msgspec.Struct):
    text: str
    by: str = ""


class Beat(msgspec.Struct):
    beat: int


class Gate:
    """Handlers that wait until the test lets them go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running = 0
        self.most = 0
        self.canceled = 0
        self.closed = 0

    async def wait(self, ask: Ask, call: Call) -> Said:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.canceled += 1
            raise
        finally:
            self.running -= 1
        return Said(ask.text)

    async def drip(self, ask: Ask, call: Call) -> AsyncIterator[Said]:
        self.running += 1
        try:
            for number in range(ask.n):
                yield Said(str(number))
            await self.open.wait()
            yield Said("last")
        finally:
            self.running -= 1
            self.closed += 1

    async def beat(self, ask: Ask, call: Call) -> AsyncIterator[Beat | Said]:
        """Asks again and again whether the caller is there."""
        self.running += 1
        try:
            for number in itertools.count():
                yield Beat(number)
                if self.open.is_set():
                    yield Said("done")
                    return
                await asyncio.sleep(0.01)
        finally:
            self.running -= 1
            self.closed += 1


async def echo(ask: Ask, call: Call) -> Said:
    return Said(ask.text, call.principal)


async def count(ask: Ask, call: Call) -> AsyncIterator[Said]:
    for number in range(ask.n):
        yield Said(str(number))


async def fail(ask: Ask, call: Call) -> Said:
    if ask.text == "ours":
        raise NotFound("no such otter", hint="look in the river", context={"otter": 7})
    if ask.text == "late":
        raise TimeoutError("of the handler's own")
    raise ValueError("a\r\nforged: header")


async def fail_late(ask: Ask, call: Call) -> AsyncIterator[Said]:
    yield Said("one")
    raise NotFound("the rest is missing")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def service(connection: Connection, prefix: str, gate: Gate) -> Callable[..., Service]:
    def make(on: Connection | None = None, **options: Any) -> Service:
        def endpoint(op: str, handler: Any) -> Endpoint:
            return Endpoint(op=op, request=Ask, reply=Said, handler=handler, doc=f"{op}.")

        handlers = {"echo": echo, "count": count, "fail": fail, "fail_late": fail_late}
        handlers |= {"wait": gate.wait, "drip": gate.drip}
        beat = Endpoint(op="beat", request=Ask, reply=Beat | Said, handler=gate.beat, probe=Beat)
        return Service(
            on or connection,
            prefix,
            "zoo",
            version="1.2.3",
            description="Animals.",
            endpoints=[*(endpoint(op, handler) for op, handler in handlers.items()), beat],
            **options,
        )

    return make


@pytest.fixture
def ask(connect: Async, prefix: str) -> Async:
    """Asks the service over a connection of its own."""
    opened: list[Connection] = []

    async def ask(op: str, text: str = "", **options: Any) -> Said:
        if not opened:
            opened.append(await connect())
        return await call(opened[0], prefix, "zoo", op, Ask(text), type=Said, **options)

    return ask


async def test_a_request_is_answered_and_the_handler_knows_who_asks(
    service: Any, ask: Async
) -> None:
    async with service():
        assert await ask("echo", "hi") == Said("hi", "anon")
        assert await ask("echo", "hi", principal="ana") == Said("hi", "ana")


async def test_the_handler_sees_headers_and_the_trace_of_its_caller(
    connection: Connection, prefix: str
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def look(ask: Ask, call: Call) -> None:
        seen.append((call.headers["x-mine"], call.trace, current(), call.service, call.op))

    endpoint = Endpoint(op="look", request=Ask, reply=None, handler=look)
    async with Service(connection, prefix, "eye", version="1.0.0", endpoints=[endpoint]):
        with active(new_trace()) as trace:
            headers = {"X-Mine": "1", "Nats-Msg-Id": "stripped"}
            await call(connection, prefix, "eye", "look", type=type(None), headers=headers)
    ((mine, sent, inside, name, op),) = seen
    assert (mine, name, op) == ("1", "eye", "look")
    assert sent.trace_id == inside.trace_id == trace.trace_id
    assert sent.span_id == trace.span_id != inside.span_id


async def test_a_bare_client_may_send_nothing_at_all(
    service: Any, broker: Broker, prefix: str
) -> None:
    async with service():
        client = await nats.connect(broker.url)
        answer = await client.request(f"{prefix}.svc.zoo.echo.anon", b"")
        assert json.loads(answer.data) == {"text": "", "by": "anon"}
        await client.close()


async def test_a_bad_payload_is_answered_with_the_field(
    service: Any, ask: Async, connect: Async, prefix: str
) -> None:
    async with service() as zoo:
        with pytest.raises(BadPayload, match=r"\$\.n: Expected `int`") as refused:
            await call(await connect(), prefix, "zoo", "echo", {"n": "x"}, type=Said)
        assert refused.value.context == {"path": "$.n"}
        assert await ask("echo", "still there")
        assert zoo.statistics()["echo"].errors == 1


async def test_an_error_comes_back_as_itself(service: Any, ask: Async) -> None:
    async with service() as zoo:
        with pytest.raises(NotFound, match="no such otter") as ours:
            await ask("fail", "ours")
        assert (ours.value.hint, ours.value.context) == ("look in the river", {"otter": 7})
        with pytest.raises(HandlerError, match="ValueError") as foreign:
            await ask("fail")
        assert foreign.value.context["type"] == "builtins.ValueError"
        with pytest.raises(HandlerError, match="of the handler's own"):
            await ask("fail", "late")
        assert zoo.statistics()["fail"].last_error.startswith("handler_error: TimeoutError")


async def test_bare_clients_read_an_error_from_headers_and_body(
    service: Any, broker: Broker, prefix: str
) -> None:
    async with service():
        client = await nats.connect(broker.url)
        answer = await client.request(f"{prefix}.svc.zoo.fail.anon", b"{}")
        assert answer.headers is not None
        assert answer.headers["Nats-Service-Error-Code"] == "handler_error"
        assert answer.headers["Nats-Service-Error"] == "ValueError: a forged: header"
        assert "forged" not in answer.headers
        body = json.loads(answer.data)
        assert (body["ok"], body["error"]["code"]) == (False, "handler_error")
        await client.close()


async def test_an_error_of_a_foreign_service_is_raised_as_well(
    connection: Connection, prefix: str
) -> None:
    def refuse(message: Message) -> None:
        headers = {"Nats-Service-Error": "out of fish", "Nats-Service-Error-Code": "503"}
        tasks.append(asyncio.create_task(connection.publish(message.reply, b"no", headers=headers)))

    tasks: list[asyncio.Task[None]] = []
    async with await connection.subscribe(f"{prefix}.svc.zoo.feed.*", refuse, live=True):
        with pytest.raises(RemoteError, match="out of fish") as error:
            await call(connection, prefix, "zoo", "feed", type=Said)
    assert error.value.info().code == "503"


async def test_nobody_there_is_said_at_once(ask: Async) -> None:
    with pytest.raises(Unavailable, match="nobody listens"):
        await asyncio.wait_for(ask("echo"), 1)


async def test_requests_run_at_once_up_to_the_limit_then_wait_then_are_refused(
    service: Any, ask: Async, gate: Gate, eventually: Async
) -> None:
    async with service(concurrency=3, waiting=2) as zoo:
        first = [asyncio.create_task(ask("wait", str(n))) for n in range(5)]
        await eventually(lambda: zoo.statistics()["wait"].requests == 5 and gate.running == 3)
        with pytest.raises(Overloaded, match="3 requests running and 2 waiting") as refused:
            await asyncio.wait_for(ask("echo"), 1)
        assert refused.value.retryable
        gate.open.set()
        assert [said.text for said in await asyncio.gather(*first)] == ["0", "1", "2", "3", "4"]
        assert gate.most == 3
        assert await ask("echo", "room again")
        assert zoo.statistics()["echo"].overloaded == 1


async def test_a_request_whose_caller_waits_no_more_is_not_run(
    service: Any, ask: Async, connect: Async, prefix: str, gate: Gate, eventually: Async
) -> None:
    async with service(concurrency=1) as zoo:
        blocking = asyncio.create_task(ask("wait"))
        await eventually(lambda: gate.running == 1)
        # Unlike `call`, this does not say that it waits no more.
        asking = (await connect()).request(
            f"{prefix}.svc.zoo.wait.anon", headers={"Pp-Timeout-Ms": "50"}, timeout=0.05
        )
        waiting = asyncio.create_task(asking)
        await eventually(lambda: zoo.statistics()["wait"].requests == 2)
        now = asyncio.get_running_loop().time
        # The service counts from the arrival, a little later than the caller.
        over = now() + 0.05
        with pytest.raises(Unavailable, match=r"within 0\.05 s"):
            await waiting
        await eventually(lambda: now() > over)
        gate.open.set()
        await blocking
        await eventually(lambda: zoo.statistics()["wait"].errors == 1)
        assert zoo.statistics()["wait"].last_error.startswith("deadline_exceeded")
        assert gate.most == 1


async def test_a_handler_is_stopped_when_its_caller_has_given_up(
    service: Any, ask: Async, gate: Gate, eventually: Async
) -> None:
    async with service() as zoo:
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await ask("wait", timeout=0.3)
        await eventually(lambda: gate.canceled == 1)
        await eventually(lambda: zoo.statistics()["wait"].errors == 1)


async def test_a_timeout_that_cannot_be_read_is_no_timeout(service: Any, ask: Async) -> None:
    async with service():
        assert await ask("echo", timeout=5.0, headers={"Pp-Timeout-Ms": "9"})


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.API.STREAM.PURGE.PP_TASKS",
        "pp.task.evil",
        "_INBOX",
        "_INBOXES.x",
        "_INBOX_a b.c",
        "",
    ],
)
async def test_answers_go_to_inboxes_only(
    service: Any, connect: Async, prefix: str, eventually: Async, reply: str
) -> None:
    caller = await connect()
    heard: list[Message] = []
    async with service() as zoo:
        if reply and " " not in reply:
            await caller.subscribe(reply, heard.append, live=True)
        await caller.publish(f"{prefix}.svc.zoo.echo.anon", b"{}", reply=reply.replace(" ", "%"))
        await eventually(lambda: zoo.statistics()["echo"].refused == 1)
        assert zoo.statistics()["echo"].requests == 1
    assert heard == []


async def test_a_large_request_and_a_large_answer_travel_by_reference(
    service: Any, ask: Async, connection: Connection, prefix: str, streams: Async
) -> None:
    await streams(connection, prefix, "blobs")
    async with service(threshold=100_000):
        said = await ask("echo", "x" * 2_000_000)
        assert said.text == "x" * 2_000_000


# --- streams --------------------------------------------------------------------------------------


async def test_a_streamed_answer_comes_in_order_and_ends(
    service: Any, connect: Async, prefix: str
) -> None:
    caller = await connect()
    async with service():
        for n in (0, 1, 500):
            items = call_stream(caller, prefix, "zoo", "count", Ask(n=n), type=Said)
            assert [item.text async for item in items] == [str(number) for number in range(n)]


async def test_bare_clients_read_a_stream_until_its_empty_message(
    service: Any, broker: Broker, prefix: str
) -> None:
    async with service():
        client = await nats.connect(broker.url)
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        await client.publish(f"{prefix}.svc.zoo.count.anon", b'{"n":2}', reply=inbox)
        messages = [await subscription.next_msg(2) for _ in range(3)]
        assert [m.data for m in messages] == [b'{"text":"0","by":""}', b'{"text":"1","by":""}', b""]
        assert messages[-1].headers is None
        await client.close()


async def collect(items: AsyncIterator[Said], into: list[str]) -> None:
    async for item in items:
        into.append(item.text)


async def test_an_error_in_the_middle_of_a_stream_is_raised_after_its_items(
    service: Any, connect: Async, prefix: str
) -> None:
    seen: list[str] = []
    async with service():
        items = call_stream(await connect(), prefix, "zoo", "fail_late", type=Said)
        with pytest.raises(NotFound, match="the rest is missing"):
            await collect(items, seen)
    assert seen == ["one"]


async def test_an_empty_message_with_a_header_is_no_end(
    connection: Connection, prefix: str
) -> None:
    tasks: list[asyncio.Task[None]] = []

    def answer(message: Message) -> None:
        headers = {"X-Note": "still working"}
        tasks.append(asyncio.create_task(connection.publish(message.reply, headers=headers)))

    async with await connection.subscribe(f"{prefix}.svc.zoo.feed.*", answer, live=True):
        items = call_stream(connection, prefix, "zoo", "feed", type=Said)
        with pytest.raises(BadPayload, match="not JSON"):
            await collect(items, [])


async def test_silence_in_a_stream_is_an_error_and_frees_the_service(
    service: Any, connect: Async, prefix: str, gate: Gate, eventually: Async
) -> None:
    seen: list[str] = []
    async with service() as zoo:
        items = call_stream(await connect(), prefix, "zoo", "drip", type=Said, idle=0.1)
        with pytest.raises(Unavailable, match=r"for 0\.1 s"):
            await collect(items, seen)
        await eventually(lambda: gate.closed == 1)
        await eventually(lambda: zoo.statistics()["drip"].last_error.startswith("canceled"))
    assert seen == ["0", "1", "2"]


async def test_a_caller_that_stops_reading_cancels_the_stream(
    service: Any, connect: Async, prefix: str, gate: Gate, eventually: Async
) -> None:
    async with service():
        items = call_stream(await connect(), prefix, "zoo", "drip", type=Said)
        async with contextlib.aclosing(items):
            async for _ in items:
                break
        await eventually(lambda: gate.closed == 1 and gate.running == 0)


async def test_a_caller_that_is_there_gets_every_probe_in_order_and_the_end(
    service: Any, connect: Async, prefix: str, gate: Gate
) -> None:
    async with service():
        items = call_stream(await connect(), prefix, "zoo", "beat", type=dict)
        seen = []
        async for item in items:
            seen.append(item)
            if len(seen) == 5:
                gate.open.set()
    assert [one.get("beat") for one in seen[:-1]] == list(range(len(seen) - 1))
    assert seen[-1]["text"] == "done"


async def test_a_caller_that_died_is_noticed_without_a_word_from_it(
    service: Any, broker: Broker, prefix: str, gate: Gate, eventually: Async
) -> None:
    caller = await nats.connect(broker.url)
    inbox = caller.new_inbox()
    await caller.subscribe(inbox)
    async with service() as zoo:
        await caller.publish(f"{prefix}.svc.zoo.beat.anon", b"{}", reply=inbox)
        await eventually(lambda: gate.running == 1)
        await caller.close()
        await eventually(lambda: gate.closed == 1)
        await eventually(lambda: zoo.statistics()["beat"].last_error.startswith("canceled"))


async def test_a_caller_of_any_language_that_only_unsubscribes_is_noticed(
    service: Any, broker: Broker, prefix: str, gate: Gate, eventually: Async
) -> None:
    caller = await nats.connect(broker.url)
    inbox = caller.new_inbox()
    subscription = await caller.subscribe(inbox)
    async with service():
        await caller.publish(f"{prefix}.svc.zoo.beat.anon", b"{}", reply=inbox)
        await subscription.next_msg(timeout=5)
        assert gate.running == 1
        await subscription.unsubscribe()
        await eventually(lambda: gate.closed == 1)
    await caller.close()


async def test_a_stream_over_a_link_that_broke_is_an_error_never_an_end(
    service: Any, connect: Async, proxy_to: Async, broker: Broker, prefix: str, gate: Gate
) -> None:
    proxy = await proxy_to(broker.url)
    caller = await connect(proxy.url)
    async with service():
        items = aiter(call_stream(caller, prefix, "zoo", "drip", Ask(n=1), type=Said))
        assert (await anext(items)).text == "0"
        proxy.cut()
        with pytest.raises(Unreachable, match="broke"):
            await anext(items)


async def test_a_service_whose_link_broke_ends_its_streams_with_an_error(
    service: Any, connect: Async, proxy_to: Async, broker: Broker, prefix: str, gate: Gate
) -> None:
    proxy = await proxy_to(broker.url)
    serving = await connect(proxy.url)
    async with service(serving):
        caller = await connect()
        items = aiter(call_stream(caller, prefix, "zoo", "drip", Ask(n=1), type=Said))
        assert (await anext(items)).text == "0"
        back = asyncio.Event()
        serving.on_reconnect.append(back.set)
        proxy.cut()
        await asyncio.wait_for(back.wait(), 5)
        gate.open.set()
        with pytest.raises(Unavailable, match="connection of zoo broke"):
            await anext(items)


async def test_a_stream_that_nobody_serves_says_so(connection: Connection, prefix: str) -> None:
    with pytest.raises(Unavailable, match="nobody listens"):
        async for _ in call_stream(connection, prefix, "zoo", "count", type=Said):
            pass


# --- ending ---------------------------------------------------------------------------------------


async def refusal(ask: Async) -> None:
    with contextlib.suppress(Unavailable):
        while await ask("echo", timeout=0.2):
            pass


async def test_leaving_finishes_what_runs_and_takes_nothing_new(
    service: Any, ask: Async, gate: Gate, eventually: Async
) -> None:
    zoo = service(concurrency=1)
    async with zoo:
        running = [asyncio.create_task(ask("wait", str(n))) for n in range(3)]
        await eventually(lambda: zoo.statistics()["wait"].requests == 3)
        leaving = asyncio.create_task(zoo.stop())
        await refusal(ask)
        gate.open.set()
        await leaving
    assert [said.text for said in await asyncio.gather(*running)] == ["0", "1", "2"]


async def test_what_outlasts_the_grace_is_canceled_and_told(
    service: Any, ask: Async, gate: Gate, eventually: Async
) -> None:
    async with service(grace=0.05):
        running = asyncio.create_task(ask("wait"))
        await eventually(lambda: gate.running == 1)
    with pytest.raises(Unavailable, match="is stopping"):
        await running
    assert gate.canceled == 1


async def test_a_restart_of_the_broker_is_survived(
    service: Any, own: Connection, own_broker: Broker, connect: Async, prefix: str
) -> None:
    async with service(own):
        caller = await connect(own_broker.url)
        own_broker.kill()
        await own_broker.start()
        await caller.wait_connected(5)
        await own.wait_connected(5)
        said = await call(caller, prefix, "zoo", "echo", Ask("back"), type=Said)
        assert said.text == "back"


# --- discovery ------------------------------------------------------------------------------------


async def test_tools_discover_the_service_its_endpoints_and_figures(
    service: Any, ask: Async, broker: Broker, prefix: str
) -> None:
    async with service(concurrency=7, metadata={"team": "zoo"}) as zoo:
        await ask("echo", "hi")
        with pytest.raises(PepperError):
            await ask("fail", "ours")
        client = await nats.connect(broker.url)

        async def get(subject: str) -> dict[str, Any]:
            return dict(json.loads((await client.request(f"$SRV.{subject}", timeout=1)).data))

        known = {"name": "zoo", "id": zoo.id, "version": "1.2.3", "metadata": {"team": "zoo"}}
        ping = await get("PING.zoo")
        assert ping == {"type": "io.nats.micro.v1.ping_response", **known}
        info = await get(f"INFO.zoo.{zoo.id}")
        assert (info["type"], info["description"]) == ("io.nats.micro.v1.info_response", "Animals.")
        assert info["endpoints"][0] == {
            "name": "echo",
            "subject": f"{prefix}.svc.zoo.echo.*",
            "queue_group": "q",
            "metadata": {"description": "echo."},
        }
        stats = await get("STATS.zoo")
        figures = {each["name"]: each for each in stats["endpoints"]}
        assert figures["echo"]["num_requests"] == figures["fail"]["num_requests"] == 1
        assert (figures["echo"]["num_errors"], figures["fail"]["num_errors"]) == (0, 1)
        assert figures["fail"]["last_error"] == "not_found: no such otter"
        assert figures["echo"]["average_processing_time"] > 0
        assert figures["echo"]["data"]["concurrency"] == 7
        assert stats["started"].endswith("Z")
        with pytest.raises(nats.errors.TimeoutError):
            await client.request("$SRV.GOSSIP.zoo", timeout=0.1)
        await client.close()


async def test_everybody_answers_a_ping_to_all(
    connection: Connection, service: Any, eventually: Async
) -> None:
    heard: list[Message] = []
    inbox = connection.new_inbox()
    await connection.subscribe(inbox, heard.append)
    async with service() as one, service() as other:
        await connection.publish("$SRV.PING", reply=inbox)
        await connection.publish("$SRV.PING", reply="$JS.API.STREAM.PURGE.X")

        def ids() -> set[str]:
            return {json.loads(message.body)["id"] for message in heard}

        await eventually(lambda: ids() >= {one.id, other.id})


async def test_replicas_share_the_requests(service: Any, connect: Async, ask: Async) -> None:
    async with service() as one, service(await connect()) as other:
        for _ in range(60):
            await ask("echo")
        each = [zoo.statistics()["echo"].requests for zoo in (one, other)]
    assert sum(each) == 60
    assert min(each) > 5


# --- trust ----------------------------------------------------------------------------------------


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    return broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)


@pytest.fixture
def as_role(connect: Async, guarded: Broker) -> Async:
    async def connect_as(role: str) -> Connection:
        login = guarded.logins[role]
        opened: Connection = await connect(
            guarded.url, user=role, password=login.password, inbox_prefix=inbox_prefix(role)
        )
        return opened

    return connect_as


async def test_a_role_serves_and_asks_under_its_own_name_only(
    guarded: Broker, as_role: Async, connect: Async
) -> None:
    endpoint = Endpoint(op="echo", request=Ask, reply=Said, handler=echo)
    serving = await as_role("memory")
    async with Service(serving, "pp", "memory", version="1.0.0", endpoints=[endpoint]):
        worker, anybody = await as_role("worker"), await connect(guarded.url)
        said = await call(worker, "pp", "memory", "echo", type=Said, principal="worker")
        assert said.by == "worker"
        assert (await call(anybody, "pp", "memory", "echo", type=Said)).by == "anon"
        for caller in (worker, anybody):
            with pytest.raises(PermissionDenied, match=r"pp\.svc\.memory\.echo\.operator"):
                async with asyncio.timeout(1):
                    await call(caller, "pp", "memory", "echo", type=Said, principal="operator")
            items = call_stream(caller, "pp", "memory", "echo", type=Said, principal="x")
            with pytest.raises(PermissionDenied):
                await asyncio.wait_for(collect(items, []), 1)


async def test_a_role_may_not_serve_what_is_anothers(as_role: Async) -> None:
    endpoint = Endpoint(op="chat", request=Ask, reply=Said, handler=echo)
    memory = await as_role("memory")
    with pytest.raises(PermissionDenied, match="subscribe to"):
        async with Service(memory, "pp", "provider", version="1.0.0", endpoints=[endpoint]):
            pass
    assert memory._nats._subs.keys() == {1}, "nothing stays subscribed"


async def test_a_purge_by_way_of_an_almighty_service_is_refused(
    service: Any, connection: Connection, prefix: str, streams: Async, eventually: Async
) -> None:
    await streams(connection, prefix, "TASKS")
    await store(connection, f"{prefix}.task.a", b"{}")
    stream = f"{prefix.upper()}_TASKS"
    async with service() as zoo:
        evil = f"$JS.API.STREAM.PURGE.{stream}"
        await connection.publish(f"{prefix}.svc.zoo.echo.anon", b"{}", reply=evil)
        await eventually(lambda: zoo.statistics()["echo"].refused == 1, within=1.0)
        assert (await api(connection, f"STREAM.INFO.{stream}"))["state"]["messages"] == 1


async def test_cancel_is_an_answer_too(
    service: Any, connect: Async, prefix: str, gate: Gate, eventually: Async
) -> None:
    caller: Connection = await connect()
    async with service():
        asking = asyncio.create_task(
            call(caller, prefix, "zoo", "wait", type=Said, headers={"Pp-Id": "abc"})
        )
        await eventually(lambda: gate.running == 1)
        await caller.publish(f"{prefix}.ctl.stop.unknown")
        await caller.publish(f"{prefix}.ctl.stop.abc")
        with pytest.raises(Canceled):
            await asking


async def test_a_cancel_reaches_every_request_of_its_id(
    service: Any, connect: Async, prefix: str, gate: Gate, eventually: Async
) -> None:
    caller: Connection = await connect()
    same = {"Pp-Id": "same"}
    async with service():
        await call(caller, prefix, "zoo", "echo", Ask("x"), type=Said, headers=same)
        asking = [
            asyncio.create_task(call(caller, prefix, "zoo", "wait", type=Said, headers=same))
            for _ in range(2)
        ]
        await eventually(lambda: gate.running == 2)
        await caller.publish(f"{prefix}.ctl.stop.same")
        for one in asking:
            with pytest.raises(Canceled):
                await asyncio.wait_for(one, 3)


async def test_connections_of_services_need_a_true_name(connection: Connection) -> None:
    options = ConnectionOptions(servers=connection.options.servers)
    async with open_connection(options) as other:
        for name in ("", "a.b", "*", "x" * 65):
            with pytest.raises(PepperError, match="service"):
                Service(other, "pp", name, version="1.0.0", endpoints=[])
