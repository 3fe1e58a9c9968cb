import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import Puller

Async = Callable[..., Coroutine[Any, Any, Any]]
ACK_WAIT = 30_000_000_000


class Queue:
    """A work queue with one consumer, and what was pulled from it."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.connection = connection
        self.stream = prefix.upper()
        self.subject = f"{prefix}.a"
        self.taken: list[Delivery] = []
        self.acks: set[asyncio.Task[None]] = set()
        self.most = 0
        self.puller: Puller | None = None
        self.ensured = 0

    async def create(self) -> None:
        config = {"name": self.stream, "subjects": [self.subject], "retention": "workqueue"}
        await api(self.connection, f"STREAM.CREATE.{self.stream}", config)
        await self.ensure()

    async def ensure(self) -> None:
        self.ensured += 1
        config = {
            "name": "w",
            "durable_name": "w",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT,
            "max_ack_pending": -1,
        }
        await ensure_consumer(self.connection, self.stream, config)

    async def put(self, number: int, on: Connection | None = None) -> None:
        for n in range(number - 1):
            await (on or self.connection).publish(self.subject, b"%d" % n)
        await store(on or self.connection, self.subject, b"last", msg_id=os.urandom(8).hex())

    def hold(self, delivery: Delivery) -> None:
        """Keeps the slot."""
        self.taken.append(delivery)
        if self.puller is not None:
            self.most = max(self.most, self.puller.held)

    def work(self, delivery: Delivery) -> None:
        """Acks and frees the slot a moment later."""
        self.hold(delivery)
        task = asyncio.create_task(self._finish(delivery))
        self.acks.add(task)
        task.add_done_callback(self.acks.discard)

    async def _finish(self, delivery: Delivery) -> None:
        await asyncio.sleep(0)
        await delivery.connection.publish(delivery.message.reply, b"+ACK")
        if self.puller is not None:
            self.puller.release()

    def pull(self, on_delivery: Any = None, **options: Any) -> Puller:
        self.puller = Puller(
            self.connection,
            self.stream,
            "w",
            on_delivery=on_delivery or self.work,
            **{"slots": 8, "ensure": self.ensure, **options},
        )
        return self.puller

    async def when_pending(self, number: int) -> dict[str, Any]:
        """The consumer's figures once so many wait: it counts a little after they are stored."""
        async with asyncio.timeout(2):
            while (info := await self.info())["num_pending"] != number:
                await asyncio.sleep(0.005)
            return info

    async def info(self, on: Connection | None = None) -> dict[str, Any]:
        return await api(on or self.connection, f"CONSUMER.INFO.{self.stream}.w")


@pytest.fixture
async def queue(connection: Connection, prefix: str) -> AsyncIterator[Queue]:
    one = Queue(connection, prefix)
    await one.create()
    yield one
    await api(connection, f"STREAM.DELETE.{one.stream}")


@pytest.fixture
async def own_queue(own: Connection, prefix: str) -> Queue:
    one = Queue(own, prefix)
    await one.create()
    return one


# --- slots ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2, 3, 16, 300])
async def test_everything_is_pulled_and_never_more_than_the_slots(
    queue: Queue, eventually: Async, slots: int
) -> None:
    await queue.put(500)
    async with queue.pull(slots=slots):
        await eventually(lambda: len(queue.taken) == 500)
        await queue.put(100)
        await eventually(lambda: len(queue.taken) == 600)
        await eventually(lambda: not queue.acks)
    assert 0 < queue.most <= slots
    assert (await queue.info())["num_ack_pending"] == 0


async def test_what_is_held_fills_the_slots_and_the_rest_stays_for_others(
    queue: Queue, eventually: Async
) -> None:
    await queue.put(20)
    async with queue.pull(queue.hold, slots=8) as puller:
        await eventually(lambda: len(queue.taken) == 8)
        await queue.put(1)
        info = await queue.when_pending(13)
        assert info["num_ack_pending"] == 8
        assert (puller.held, puller.slots) == (8, 8)


async def test_more_slots_take_more_and_fewer_take_fewer(queue: Queue, eventually: Async) -> None:
    await queue.put(30)
    async with queue.pull(queue.hold, slots=4) as puller:
        await eventually(lambda: len(queue.taken) == 4)
        puller.resize(10)
        await eventually(lambda: len(queue.taken) == 10)
        puller.resize(2)
        for _ in range(8):
            puller.release()
        await queue.info()
        assert len(queue.taken) == 10
        puller.release()
        puller.release()
        await eventually(lambda: len(queue.taken) == 12)
        await queue.info()
        assert puller.held == 2


async def test_a_paused_pull_takes_nothing_new_until_it_is_resumed(
    queue: Queue, eventually: Async
) -> None:
    async with queue.pull(slots=2) as puller:
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 1 and not queue.acks)
        puller.pause()
        await eventually(lambda: puller._subscription is None)
        await queue.put(10)
        info = await queue.when_pending(10)
        assert (len(queue.taken), info["num_waiting"]) == (1, 0)
        puller.resume()
        await eventually(lambda: len(queue.taken) == 11)


async def test_an_idle_pull_takes_what_comes_at_once(queue: Queue, eventually: Async) -> None:
    async with queue.pull(slots=2, heartbeat=0.1) as puller:
        await eventually(lambda: puller._credit == 2)
        for _ in range(3):
            beat = puller._seen
            await eventually(lambda beat=beat: puller._seen > beat)
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 1)
    assert puller._round == 0, "the first request stood all the time"


async def test_two_pulls_share_the_work(
    queue: Queue, connect: Async, prefix: str, eventually: Async
) -> None:
    other = Queue(await connect(), prefix)
    async with queue.pull(slots=4), other.pull(slots=4):
        await queue.put(400)
        await eventually(lambda: len(queue.taken) + len(other.taken) == 400)
    assert min(len(queue.taken), len(other.taken)) > 50


async def test_a_senders_status_header_does_not_look_like_the_servers(
    queue: Queue, eventually: Async
) -> None:
    async with queue.pull(slots=2):
        for status in ("409", "408", "503"):
            await store(queue.connection, queue.subject, b"", headers={"Status": status})
        await eventually(lambda: len(queue.taken) == 3)


async def test_a_handler_that_raises_does_not_stop_the_pull(
    queue: Queue, eventually: Async
) -> None:
    def wrong(delivery: Delivery) -> None:
        queue.work(delivery)
        raise ValueError("of a handler")

    async with queue.pull(wrong, slots=2):
        await queue.put(20)
        await eventually(lambda: len(queue.taken) == 20)


# --- ends -----------------------------------------------------------------------------------------


async def test_a_request_that_ends_is_made_anew(
    queue: Queue, eventually: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.streams.pull.EXPIRES", 0.2)
    ended = asyncio.Event()
    async with queue.pull(slots=4, heartbeat=0.05) as puller:
        take_status = puller._take_status

        def told(message: Message) -> None:
            take_status(message)
            if message.status == "408":
                ended.set()

        puller._take_status = told  # type: ignore[method-assign]  # listens
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 1)
        for _ in range(2):
            ended.clear()
            await asyncio.wait_for(ended.wait(), 5)
        await queue.put(6)
        await eventually(lambda: len(queue.taken) == 7)
    assert queue.most <= 4


async def test_a_consumer_that_was_deleted_is_made_anew(queue: Queue, eventually: Async) -> None:
    # The server says so, unless the request crossed the deletion: then its heartbeats are missed.
    async with queue.pull(slots=4, heartbeat=0.2):
        for number in (1, 2, 3):
            await queue.put(1)
            # An acknowledgement that crosses the deletion may be lost: by sequence, not by count.
            await eventually(lambda n=number: len({d.seq for d in queue.taken}) == n, within=2)
            await api(queue.connection, f"CONSUMER.DELETE.{queue.stream}.w")
            await eventually(lambda number=number: queue.ensured > number, within=2)


async def test_a_missing_consumer_is_asked_for_patiently(
    connection: Connection, prefix: str, eventually: Async
) -> None:
    queue = Queue(connection, prefix)
    now = asyncio.get_running_loop().time
    began = now()
    async with queue.pull(ensure=None) as puller:
        await eventually(lambda: puller._round >= 3)
        assert now() - began > 0.25, "it waits longer each time"
        await queue.create()
        await queue.put(3)
        await eventually(lambda: len(queue.taken) == 3)


async def test_an_ensure_that_fails_is_tried_again(queue: Queue, eventually: Async) -> None:
    async with queue.pull():
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 1)
        await api(queue.connection, f"STREAM.DELETE.{queue.stream}")
        await eventually(lambda: queue.ensured >= 3)
        await queue.create()
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 2)


# --- breaking -------------------------------------------------------------------------------------


async def test_a_pull_is_back_within_two_seconds_of_a_restart(
    own_queue: Queue, own_broker: Broker, eventually: Async
) -> None:
    async with own_queue.pull(slots=4):
        await own_queue.put(50)
        await eventually(lambda: len(own_queue.taken) == 50 and not own_queue.acks)
        for total in (51, 52):
            own_broker.kill()
            await own_broker.start()
            await own_queue.put(1)
            await eventually(lambda total=total: len(own_queue.taken) >= total, within=2)
    assert own_queue.most <= 4


async def test_a_restart_under_load_loses_nothing_and_holds_no_more_than_the_slots(
    own_queue: Queue, own_broker: Broker, eventually: Async
) -> None:
    async with own_queue.pull(slots=8):
        storing = [
            asyncio.create_task(
                store(own_queue.connection, own_queue.subject, b"%d" % n, msg_id=f"m{n}")
            )
            for n in range(300)
        ]
        await eventually(lambda: len(own_queue.taken) > 50)
        own_broker.kill()
        await own_broker.start()
        await asyncio.wait_for(asyncio.gather(*storing), 10)
        await eventually(lambda: len({d.seq for d in own_queue.taken}) == 300)
    assert own_queue.most <= 8


async def test_a_link_that_breaks_while_the_server_lives_doubles_no_credit(
    connect: Async, proxy_to: Async, broker: Broker, prefix: str, eventually: Async
) -> None:
    proxy = await proxy_to(broker.url)
    queue = Queue(await connect(proxy.url), prefix)
    await queue.create()
    beside = await connect()
    async with queue.pull(queue.hold, slots=8):
        for _ in range(3):
            back = asyncio.Event()
            queue.connection.on_reconnect.append(back.set)
            proxy.cut()
            await asyncio.wait_for(back.wait(), 5)
        await queue.put(100, on=beside)
        await eventually(lambda: len(queue.taken) >= 8)
        await beside.flush()
        await queue.info()
        assert len(queue.taken) == queue.most == 8


async def test_a_request_that_the_server_lost_is_noticed_by_its_missing_heartbeats(
    queue: Queue, eventually: Async
) -> None:
    async with queue.pull(slots=4, heartbeat=0.1) as puller:
        await queue.put(1)
        await eventually(lambda: len(queue.taken) == 1)
        # The server forgets the inbox, and with it the request; nobody tells the client.
        subscription = puller._subscription
        assert subscription is not None
        await queue.connection._nats._send_unsubscribe(subscription._inner._id)
        await queue.put(10)
        await eventually(lambda: len(queue.taken) == 11, within=2)


async def test_a_frozen_server_is_waited_for(
    own_queue: Queue,
    own_broker: Broker,
    eventually: Async,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with own_queue.pull(slots=4, heartbeat=0.1):
        await own_queue.put(1)
        await eventually(lambda: len(own_queue.taken) == 1)
        os.kill(own_broker.pid, signal.SIGSTOP)
        await eventually(lambda: "pull.silent" in caplog.text)
        os.kill(own_broker.pid, signal.SIGCONT)
        await own_queue.put(10)
        await eventually(lambda: len(own_queue.taken) == 11, within=2)
    assert own_queue.most <= 4


# --- stopping -------------------------------------------------------------------------------------


async def test_no_message_waits_for_its_time_after_a_clean_stop(
    queue: Queue, connect: Async, eventually: Async
) -> None:
    """What the server sent to an inbox that had just gone is there for the next pull at once."""
    sender = await connect()
    sending = asyncio.create_task(flood(sender, queue.subject))
    for pause in range(30):
        async with queue.pull(slots=16):
            await eventually(lambda: len(queue.taken) > 0)
            await asyncio.sleep(pause / 1000)
        await eventually(lambda: not queue.acks)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await sender.flush()
    info = await api(queue.connection, f"STREAM.INFO.{queue.stream}")
    total = info["state"]["last_seq"]
    async with queue.pull(slots=64):
        await eventually(lambda: len({d.seq for d in queue.taken}) == total)
        await eventually(lambda: not queue.acks)
    assert (await queue.info())["num_ack_pending"] == 0


async def flood(connection: Connection, subject: str) -> None:
    while True:
        for _ in range(20):
            await connection.publish(subject, b"x" * 200)
        await connection.flush()
        await asyncio.sleep(0.002)


async def test_stopping_twice_or_with_the_broker_away_is_quick(
    own_queue: Queue, own_broker: Broker, eventually: Async
) -> None:
    puller = own_queue.pull()
    async with puller:
        await own_queue.put(1)
        await eventually(lambda: len(own_queue.taken) == 1)
        own_broker.kill()
        async with asyncio.timeout(1):
            await puller.stop()
            await puller.stop()
    assert puller._start_over not in own_queue.connection.on_reconnect
