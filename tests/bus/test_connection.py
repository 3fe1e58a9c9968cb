import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import nats
import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login
from pepperpy_bus.link import connection as module
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.dialing import check_server
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.trust.grants import Permissions
from pepperpy_schemas.errors import (
    BadConfig,
    BadName,
    PermissionDenied,
    TooLarge,
    Unavailable,
    Unreachable,
)

Async = Callable[..., Coroutine[Any, Any, Any]]


def answer_with(connection: Connection, body: bytes = b"pong") -> Callable[[Message], None]:
    tasks: set[asyncio.Task[None]] = set()

    def answer(message: Message) -> None:
        task = asyncio.create_task(connection.publish(message.reply, body))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return answer


# --- sending and hearing --------------------------------------------------------------------------


async def test_a_live_subscription_hears_what_another_client_sends_next(
    connect: Async, prefix: str
) -> None:
    hearing, sending = await connect(), await connect()
    for number in range(100):
        heard: asyncio.Queue[Message] = asyncio.Queue()
        subject = f"{prefix}.{number}"
        async with await hearing.subscribe(subject, heard.put_nowait, live=True):
            await sending.publish(subject, b"x")
            assert (await asyncio.wait_for(heard.get(), 1)).body == b"x"


async def test_what_arrives_has_its_headers_in_lower_case_and_its_reply(
    connection: Connection, prefix: str
) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    await connection.subscribe(f"{prefix}.*", heard.put_nowait)
    await connection.publish(f"{prefix}.a", b"x", headers={"PP-Id": "é"}, reply="back")
    message = await asyncio.wait_for(heard.get(), 1)
    assert (message.subject, message.reply, dict(message.headers)) == (
        f"{prefix}.a",
        "back",
        {"pp-id": "é"},
    )


async def test_a_stopped_subscription_hears_no_more_and_stops_twice(
    connection: Connection, prefix: str
) -> None:
    heard: list[Message] = []
    subscription = await connection.subscribe(prefix, heard.append)
    assert subscription.subject == prefix
    await subscription.stop()
    await subscription.stop()
    await connection.publish(prefix)
    await connection.flush()
    assert heard == []


async def test_draining_a_subscription_hands_on_what_the_server_has_sent(
    connect: Async, prefix: str
) -> None:
    hearing, sending = await connect(), await connect()
    heard: list[Message] = []
    subscription = await hearing.subscribe(prefix, heard.append, live=True)
    for _ in range(1000):
        await sending.publish(prefix, b"x" * 100)
    await sending.flush()
    await subscription.drain()
    assert len(heard) == 1000
    await sending.publish(prefix)
    await sending.flush()
    await hearing.flush()
    assert len(heard) == 1000


@pytest.mark.parametrize("raised", [ValueError("of a handler"), asyncio.CancelledError()])
async def test_an_error_of_a_handler_ends_neither_its_subscription_nor_the_reader(
    connection: Connection, prefix: str, raised: BaseException
) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()

    def handle(message: Message) -> None:
        heard.put_nowait(message)
        raise raised

    await connection.subscribe(prefix, handle)
    for _ in range(3):
        await connection.publish(prefix)
        await asyncio.wait_for(heard.get(), 1)
    await connection.flush()


async def test_a_flush_that_is_canceled_does_not_harm_the_reader(connection: Connection) -> None:
    for _ in range(20):
        flushing = asyncio.create_task(connection.flush())
        await asyncio.sleep(0)
        flushing.cancel()
    await asyncio.wait_for(connection.flush(), 1)


async def test_a_live_subscription_is_made_over_a_link_that_breaks(
    proxy_to: Async, connect: Async, broker: Broker, prefix: str, eventually: Async
) -> None:
    proxy = await proxy_to(broker.url)
    connection, heard = await connect(proxy.url), []
    proxy.freeze("down")
    subscribing = asyncio.create_task(connection.subscribe(prefix, heard.append, live=True))
    await asyncio.sleep(0)  # it has asked
    proxy.cut()
    await eventually(lambda: not connection.connected)
    proxy.thaw()
    await asyncio.wait_for(subscribing, 5)
    await (await connect()).publish(prefix, b"x")
    await eventually(lambda: len(heard) == 1)


async def test_a_flush_ends_with_the_link(proxy_to: Async, connect: Async, broker: Broker) -> None:
    proxy = await proxy_to(broker.url)
    connection = await connect(proxy.url)
    proxy.freeze("down")
    flushing = asyncio.create_task(connection.flush())
    await asyncio.sleep(0.02)
    proxy.cut()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(flushing, 1)
    proxy.thaw()


# --- requests -------------------------------------------------------------------------------------


async def test_a_request_returns_the_first_answer(connection: Connection, prefix: str) -> None:
    await connection.subscribe(prefix, answer_with(connection))
    await connection.subscribe(prefix, answer_with(connection))
    answers = await asyncio.gather(*(connection.request(prefix) for _ in range(50)))
    assert {answer.body for answer in answers} == {b"pong"}


async def test_a_request_that_nobody_takes_fails_at_once_and_silence_after_its_time(
    connection: Connection, prefix: str
) -> None:
    with pytest.raises(Unavailable, match="nobody listens"):
        await asyncio.wait_for(connection.request(prefix, timeout=30), 1)
    await connection.subscribe(prefix, lambda message: None)
    with pytest.raises(Unavailable, match=r"no answer on .* within 0\.05 s") as late:
        await connection.request(prefix, timeout=0.05)
    assert late.value.retryable


async def test_each_request_ends_after_its_own_time_whatever_the_others_have(
    connection: Connection, prefix: str
) -> None:
    await connection.subscribe(prefix, lambda message: None)
    now = connection.loop.time
    start = now()

    async def silence_after(seconds: float) -> float:
        with pytest.raises(Unavailable, match=f"within {seconds:g} s"):
            await connection.request(prefix, timeout=seconds)
        return now() - start - seconds

    late = await asyncio.gather(*(silence_after(seconds) for seconds in (0.4, 0.05, 0.2, 0.2)))
    assert all(-0.01 < each < 0.2 for each in late), late


async def test_many_answers_are_read_as_they_come(connection: Connection, prefix: str) -> None:
    await connection.subscribe(prefix, answer_with(connection, b"one"))
    await connection.subscribe(prefix, answer_with(connection, b"two"))
    async with connection.request_many(prefix) as replies:
        bodies = {(await replies.next(1)).body for _ in range(2)}
        with pytest.raises(Unavailable, match=r"for 0\.02 s"):
            await replies.next(0.02)
    assert bodies == {b"one", b"two"}
    async with connection.request_many(f"{prefix}.nobody") as replies:
        with pytest.raises(Unavailable, match="nobody listens"):
            await replies.next(1)


# --- limits ---------------------------------------------------------------------------------------


async def test_what_the_server_would_cut_the_link_for_is_refused_here(
    connection: Connection, prefix: str
) -> None:
    await connection.subscribe(prefix, lambda message: None)
    other = asyncio.create_task(connection.request(prefix, timeout=0.5))
    limit = connection._nats.max_payload
    with pytest.raises(TooLarge, match="are more than the broker's"):
        await connection.request(prefix, b"x" * (limit + 1))
    for headers in ({"a": "x" * 2000, "b": "y" * 3000}, {"a": "é" * 2500}):
        with pytest.raises(TooLarge) as refused:
            await connection.request(prefix, b"x" * (limit - 2000), headers=headers)
        assert refused.value.context["size"] > refused.value.context["limit"]
    with pytest.raises(BadName, match="5000 characters is too long"):
        await connection.publish("s" * 5000)
    with pytest.raises(BadName, match="5000 characters is too long"):
        await connection.subscribe("s" * 5000, lambda message: None)
    with pytest.raises(BadName, match="header name"):
        await connection.publish(prefix, headers={"a b": "c"})
    with pytest.raises(Unavailable, match="no answer"):
        await other
    assert connection._nats.stats["reconnects"] == 0


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0\r\n\r\n", " a", "a\t"])
async def test_a_subject_cannot_carry_a_command(connection: Connection, subject: str) -> None:
    with pytest.raises(BadName, match="empty or has a space"):
        await connection.publish(subject)
    with pytest.raises(BadName, match="empty or has a space"):
        await connection.subscribe(subject, lambda message: None)


async def test_the_largest_body_that_is_allowed_arrives(
    connection: Connection, prefix: str
) -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    await connection.subscribe(prefix, heard.put_nowait)
    limit = connection._nats.max_payload
    await connection.publish(prefix, b"x" * limit)
    await connection.publish(prefix, b"x" * (limit - 4200), headers={"a": "é" * 30})
    assert len((await asyncio.wait_for(heard.get(), 2)).body) == limit
    assert (await asyncio.wait_for(heard.get(), 2)).headers == {"a": "é" * 30}


# --- permissions ----------------------------------------------------------------------------------


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    allowed = Permissions(publish=("ok.>", "_INBOX.>"), subscribe=("ok.>", "_INBOX.>"))
    return broker_factory(logins=(Login(user="ana", password="pw", permissions=allowed),))


async def test_a_denied_request_fails_within_a_second_while_others_go_on(
    guarded: Broker, connect: Async
) -> None:
    connection = await connect(guarded.url, user="ana", password="pw")
    await connection.subscribe("ok.echo", answer_with(connection))
    started = time.monotonic()
    denied = connection.request("Not.OK", timeout=30)
    also = connection.request("ok.echo")
    with pytest.raises(PermissionDenied, match=r"ana may not publish to Not\.OK") as refused:
        await denied
    assert time.monotonic() - started < 1
    assert refused.value.context["verb"] == "publish"
    assert (await also).body == b"pong"
    async with connection.request_many("Not.OK.either") as replies:
        with pytest.raises(PermissionDenied):
            await replies.next(1)


async def test_a_denied_subscription_is_an_error_however_many_were_denied_before(
    guarded: Broker, connect: Async
) -> None:
    connection = await connect(guarded.url, user="ana", password="pw")
    for number in range(300):
        await connection.publish(f"no.{number}")
    for queue in ("", "q"):
        with pytest.raises(PermissionDenied, match=r"ana may not subscribe to NO\.ears"):
            await connection.subscribe("NO.ears", lambda message: None, queue=queue, live=True)
    async with await connection.subscribe("ok.ears", lambda message: None, live=True):
        pass


@pytest.mark.parametrize(("user", "password"), [("ana", "wrong"), ("bob", "pw"), ("", "")])
async def test_wrong_credentials_are_refused_fast(
    guarded: Broker, user: str, password: str
) -> None:
    options = ConnectionOptions(servers=(guarded.url,), user=user, password=password)
    started = time.monotonic()
    with pytest.raises(PermissionDenied, match=user or "an anonymous client") as refused:
        async with open_connection(options):
            pass
    assert time.monotonic() - started < 1
    assert "PEPPERPY_NATS_PASSWORD" in refused.value.hint


# --- connecting -----------------------------------------------------------------------------------


@pytest.fixture
def nowhere(unused_tcp_port: int) -> str:
    return f"nats://ana:secret@127.0.0.1:{unused_tcp_port}"


async def test_no_broker_is_an_error_after_the_time_to_connect(nowhere: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"no broker answered at .* within 0\.3 s") as away:
        async with open_connection(ConnectionOptions(servers=(nowhere,), connect_timeout=0.3)):
            pass
    assert 0.25 < time.monotonic() - started < 1.5
    assert away.value.message.endswith(": nobody listens there")
    assert "secret" not in str(away.value)


async def test_a_broker_that_says_nothing_is_an_error_after_the_time_to_connect(
    proxy_to: Async, broker: Broker
) -> None:
    proxy = await proxy_to(broker.url)
    proxy.freeze()
    options = ConnectionOptions(servers=(proxy.url,), connect_timeout=0.3)
    with pytest.raises(Unreachable):
        async with asyncio.timeout(2), open_connection(options):
            pass


async def test_a_wait_for_the_broker_can_be_canceled_at_any_moment(nowhere: str) -> None:
    options = ConnectionOptions(servers=(nowhere,), connect_timeout=None)

    async def connect() -> None:
        async with open_connection(options):
            pass

    for turns in range(60):
        connecting = asyncio.create_task(connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=2)
        assert connecting.cancelled()


async def test_without_a_limit_a_client_waits_for_the_broker(own_broker: Broker) -> None:
    own_broker.kill()
    options = ConnectionOptions(servers=(own_broker.url,), connect_timeout=None)

    async def connect() -> str:
        async with open_connection(options) as connection:
            return connection.server_version

    connecting = asyncio.create_task(connect())
    await asyncio.sleep(0.3)
    assert not connecting.done()
    await own_broker.start()
    assert (await asyncio.wait_for(connecting, 5)).startswith("2.")


@pytest.mark.parametrize(
    "options",
    [
        {"servers": ("ftp://x",)},
        {"servers": ("nats://127.0.0.1:notaport",)},
        {"credentials": "/does/not/exist.creds"},
    ],
)
async def test_settings_that_cannot_connect_are_named(
    broker: Broker, options: dict[str, Any]
) -> None:
    wrong = ConnectionOptions(**{"servers": (broker.url,), "connect_timeout": 0.3, **options})
    with pytest.raises((BadConfig, Unreachable)) as refused:
        async with asyncio.timeout(7), open_connection(wrong):
            pass
    assert refused.value.hint


async def test_a_server_without_jetstream_or_too_old_is_named(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection._nats._server_info, "api_lvl", 1)
    with pytest.raises(BadConfig, match="API level 1, PepperPy needs 4"):
        check_server(connection._nats, connection.options)
    monkeypatch.setitem(connection._nats._server_info, "jetstream", False)
    with pytest.raises(BadConfig, match="without JetStream"):
        check_server(connection._nats, connection.options)


async def test_any_of_several_servers_will_do(nowhere: str, connect: Async, broker: Broker) -> None:
    options = ConnectionOptions(servers=(nowhere, broker.url))
    async with open_connection(options) as connection:
        await connection.flush()
        assert connection.server == broker.url
        assert connection.new_inbox().startswith("_INBOX.")


# --- breaking -------------------------------------------------------------------------------------


async def test_a_restart_is_survived_with_subscriptions_and_hooks(
    own: Connection, own_broker: Broker, prefix: str, eventually: Async
) -> None:
    heard: list[Message] = []
    told: list[str] = []

    async def late() -> None:
        told.append("late")

    def wrong() -> None:
        raise ValueError("of a hook")

    def canceled() -> None:
        raise asyncio.CancelledError

    own.on_disconnect += [lambda: told.append("away"), wrong, canceled]
    own.on_reconnect += [wrong, canceled, lambda: told.append("back"), late]
    await own.subscribe(prefix, heard.append, live=True)
    own_broker.kill()
    await eventually(lambda: not own.connected)
    with pytest.raises(Unreachable, match="is away"):
        await own.wait_connected(0.01)
    with pytest.raises(Unreachable, match="is away"):
        await own.flush()
    with pytest.raises(Unreachable, match="is away"):
        async with own.request_many(prefix):
            pass
    await own.publish(prefix, b"while away")
    await own_broker.start()
    started = time.monotonic()
    await own.wait_connected(5)
    assert time.monotonic() - started < 2.5
    await eventually(lambda: told == ["away", "back", "late"])
    await eventually(lambda: [message.body for message in heard] == [b"while away"])


async def test_it_reconnects_however_long_the_broker_was_away(
    own: Connection, own_broker: Broker, eventually: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own._nats.options["max_reconnect_attempts"] < 0
    monkeypatch.setattr("pepperpy_bus.link.dialing.random.uniform", lambda low, high: 0.002)
    own_broker.kill()
    await eventually(lambda: own._nats._server_pool[0].reconnects > 65, within=10)
    await own_broker.start()
    await own.wait_connected(5)
    await own.flush()


async def test_a_silent_link_is_noticed_and_replaced(
    proxy_to: Async, connect: Async, broker: Broker
) -> None:
    proxy = await proxy_to(broker.url)
    connection = await connect(proxy.url, ping_interval=0.1)
    lost = asyncio.Event()
    connection.on_disconnect.append(lost.set)
    proxy.freeze()
    await asyncio.wait_for(lost.wait(), 2)
    proxy.thaw()
    await connection.wait_connected(5)
    await connection.flush()
    assert proxy.connections > 1


async def test_a_silent_link_with_megabytes_before_it_is_replaced_as_well(
    own_broker: Broker, connect: Async, prefix: str, eventually: Async
) -> None:
    connection = await connect(own_broker.url, ping_interval=0.2)
    lost = asyncio.Event()
    connection.on_disconnect.append(lost.set)
    os.kill(own_broker.pid, signal.SIGSTOP)
    try:
        sending = [
            asyncio.create_task(connection.publish(prefix, b"x" * 1_000_000)) for _ in range(30)
        ]
        await asyncio.wait_for(lost.wait(), 3)
    finally:
        os.kill(own_broker.pid, signal.SIGCONT)
    await connection.wait_connected(5)
    await connection.flush()
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)


async def test_a_publish_that_waits_for_a_crowded_link_can_be_canceled(
    own: Connection, own_broker: Broker
) -> None:
    async def flood() -> None:
        while True:
            await own.publish("flood", bytes(500_000))

    os.kill(own_broker.pid, signal.SIGSTOP)
    try:
        flooding = asyncio.create_task(flood())
        await asyncio.wait({flooding}, timeout=0.5)
        flooding.cancel()
        ended, _ = await asyncio.wait({flooding}, timeout=1)
        assert ended
        assert flooding.cancelled()
    finally:
        os.kill(own_broker.pid, signal.SIGCONT)
    async with asyncio.timeout(5):
        await own.flush()  # nothing was broken by it


async def test_by_default_a_silent_link_is_given_up_after_two_pings() -> None:
    assert ConnectionOptions().ping_interval == 10


async def test_many_answers_end_with_the_link(
    proxy_to: Async, connect: Async, broker: Broker, prefix: str
) -> None:
    proxy = await proxy_to(broker.url)
    connection = await connect(proxy.url)
    await connection.subscribe(prefix, lambda message: None)
    async with connection.request_many(prefix) as replies:
        proxy.cut()
        with pytest.raises(Unreachable, match="broke"):
            await replies.next(5)


async def test_the_server_tells_before_it_goes(own: Connection, own_broker: Broker) -> None:
    told = asyncio.Event()
    own.on_lame_duck.append(told.set)
    os.kill(own_broker.pid, signal.SIGUSR2)
    await asyncio.wait_for(told.wait(), 2)
    await own.flush()
    own_broker.kill()  # a lame duck is in no hurry


async def test_when_the_server_closes_for_good_everybody_is_told(
    own: Connection, prefix: str, eventually: Async
) -> None:
    told = asyncio.Event()
    own.on_close.append(told.set)
    await own.subscribe(prefix, lambda message: None, live=True)
    asking = asyncio.create_task(own.request(prefix, timeout=30))
    await asyncio.sleep(0)
    assert own._nats._transport is not None
    own._nats._transport.write(b"NO SUCH COMMAND\r\n")
    await asyncio.wait_for(told.wait(), 2)
    with pytest.raises(Unreachable, match="for good"):
        await asyncio.wait_for(asking, 1)
    assert own.closed
    with pytest.raises(Unreachable, match="cannot use"):
        await own.subscribe(prefix, lambda message: None)


async def test_a_password_changed_meanwhile_is_no_end(
    guarded: Broker, connect: Async, caplog: pytest.LogCaptureFixture, eventually: Async
) -> None:
    connection = await connect(guarded.url, user="ana", password="pw")
    guarded.kill()
    logins = guarded._conf.logins
    guarded._conf = type(guarded._conf)(
        **{
            **{name: getattr(guarded._conf, name) for name in guarded._conf.__struct_fields__},
            "logins": (Login(user="ana", password="other"),),
        }
    )
    await guarded.start()
    await eventually(lambda: "bus.auth_refused" in caplog.text)
    guarded.kill()
    guarded._conf = type(guarded._conf)(
        **{
            **{name: getattr(guarded._conf, name) for name in guarded._conf.__struct_fields__},
            "logins": logins,
        }
    )
    await guarded.start()
    await connection.wait_connected(5)
    await connection.flush()


# --- closing --------------------------------------------------------------------------------------


async def test_closing_sends_what_is_buffered_and_fails_what_waits(
    broker: Broker, connection: Connection, prefix: str, eventually: Async
) -> None:
    heard: list[Message] = []
    await connection.subscribe(prefix, heard.append, live=True)
    closed: list[str] = []
    async with open_connection(ConnectionOptions(servers=(broker.url,))) as other:
        other.on_close.append(lambda: closed.append("x"))
        waiting = asyncio.create_task(other.request(prefix, timeout=30))
        await asyncio.sleep(0)
        for _ in range(99):
            await other.publish(prefix)
    await eventually(lambda: len(heard) == 100)
    with pytest.raises(Unreachable, match="was closed"):
        await waiting
    assert closed == []
    with pytest.raises(Unreachable, match="cannot use"):
        await other.publish(prefix)
    with pytest.raises(Unreachable):
        await other.request(prefix)


async def test_closing_over_a_silent_link_does_not_hang(
    proxy_to: Async, broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LAST_FLUSH", 0.2)
    proxy = await proxy_to(broker.url)
    started = 0.0
    async with open_connection(ConnectionOptions(servers=(proxy.url,))) as connection:
        proxy.freeze()
        await connection.publish(prefix, b"x" * 1_000_000)
        started = time.monotonic()
    assert time.monotonic() - started < 3  # a half-open link hangs for minutes


async def test_closing_with_the_broker_away_is_quick(own_broker: Broker, eventually: Async) -> None:
    started = 0.0
    async with open_connection(ConnectionOptions(servers=(own_broker.url,))) as connection:
        own_broker.kill()
        await eventually(lambda: not connection.connected)
        started = time.monotonic()
    assert time.monotonic() - started < 1


async def test_the_traps_are_still_in_the_library(broker: Broker) -> None:
    """When this fails, the library was mended and something here can go."""
    client = await nats.connect(broker.url)
    pong: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    await client._send_ping(pong)
    pong.cancel()
    reading = client._reading_task
    assert reading is not None
    await asyncio.wait_for(asyncio.wait({reading}), 2)
    assert client.is_connected
    assert reading.done()
    await client.close()


async def test_nobody_waits_for_a_connection_that_was_closed(connect: Async) -> None:
    connection = await connect()
    await connection.close()
    with pytest.raises(Unreachable):
        await connection.wait_connected(60)
