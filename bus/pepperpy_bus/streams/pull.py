"""The pull loop: takes messages from a consumer, never more than there are free slots.

Credit is what the server has been asked for and not yet delivered. At every moment
``held + credit <= slots``, so that a worker that dies delays no more than its slots. Asking for
one message at a time costs several times the processor time of a standing request, so credit is
topped up when a quarter of the slots is free, or when there is none left.

The server sends heartbeats while a request stands. When they stop, or the connection came back,
the requests are taken as lost and made anew: a lost request is never waited out.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.subscription import Subscription
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import PULSE
from pepperpy_bus.streams.delivery import Delivery, from_message
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.jetstream import API
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.pull")

HEARTBEAT = 5.0
"""Seconds between the server's signs of life while nothing arrives."""
EXPIRES = 300.0
"""Seconds after which an unanswered request ends and is made anew."""

OnDelivery = Callable[[Delivery], None]
Work = Callable[[Delivery], Awaitable[None]]
Ensure = Callable[[], Awaitable[None]]

_MISSED = 2.4
_MAX_BACKOFF = 2.0
_PIN_ID = h.PIN_ID.lower()
_PENDING_MESSAGES = h.PENDING_MESSAGES.lower()
_UNPINNED = "423"


class Puller:
    """Pulls from one consumer while its context is open.

    Args:
        connection: The connection.
        stream: The consumer's stream.
        consumer: The consumer's name.
        slots: The most messages to hold at once.
        on_delivery: Called with each message, inside the reader: it must not block. Every
            delivery takes a slot until `release` is called.
        ensure: Makes the consumer anew when the server says that it is gone.
        heartbeat: Seconds between the server's signs of life.
        expires: Seconds after which an unanswered request ends and is made anew.
        group: The priority group of a consumer that hands out to one puller alone.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        consumer: str,
        *,
        slots: int,
        on_delivery: OnDelivery,
        ensure: Ensure | None = None,
        heartbeat: float = HEARTBEAT,
        expires: float | None = None,
        group: str = "",
    ) -> None:
        self.connection = connection
        self.stream = stream
        self.consumer = consumer
        self.held = 0
        self._slots = slots
        self._on_delivery = on_delivery
        self._ensure = ensure
        self._heartbeat = heartbeat
        self._expires = EXPIRES if expires is None else expires
        self._group = group
        self._pin = ""
        self._credit = 0
        self._round = 0
        self._failures = 0
        self._seen = time.monotonic()
        self._gone = False
        self._paused = False
        self._wake = asyncio.Event()
        self._inbox = ""
        self._inbox_round = -1
        self._subscription: Subscription | None = None
        self._loop_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Puller":
        self.connection.on_reconnect.append(self._start_over)
        self._loop_task = asyncio.create_task(self._run(), name=f"pull-{self.consumer}")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stops asking; what the server has already sent still reaches ``on_delivery``."""
        task, self._loop_task = self._loop_task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.connection.on_reconnect.remove(self._start_over)
        if self._subscription is not None:
            await self._subscription.drain()

    @property
    def slots(self) -> int:
        """The most messages held at once."""
        return self._slots

    def resize(self, slots: int) -> None:
        """Changes the number of slots; fewer take effect as messages are released."""
        self._slots = slots
        self._wake.set()

    def pause(self) -> None:
        """Takes no more messages until `resume`; what was asked for is withdrawn."""
        self._paused = True
        self._start_over()

    def resume(self) -> None:
        """Takes messages again."""
        self._paused = False
        self._wake.set()

    def release(self, deliveries: int = 1) -> None:
        """Frees the slots of deliveries."""
        self.held -= deliveries
        if self._wanted():
            self._wake.set()

    def _wanted(self) -> int:
        free = self._slots - self.held - self._credit
        if self._paused or free <= 0:
            return 0
        return free if self._credit == 0 or free * 4 >= self._slots else 0

    # --- asking ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            if self._failures:
                await asyncio.sleep(min(_MAX_BACKOFF, 0.05 * 2 ** min(self._failures, 6)))
            self._wake.clear()
            try:
                if self._gone:
                    await self._recover()
                await self._ask()
            except PepperError as error:
                self._failures += 1
                log.warning("pull.cannot_ask", consumer=self.consumer, error=str(error))
                continue
            except Exception:
                # A worker that no longer pulls must not look as if it did: go on, and be loud.
                self._failures += 1
                log.exception("pull.failed", consumer=self.consumer)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat):
                    await self._wake.wait()
            self._check_heartbeat()

    async def _ask(self) -> None:
        if self._paused and self._subscription is not None:
            await self._subscription.drain()
            self._subscription, self._inbox_round = None, -1
        if not self._wanted() or not self.connection.connected:
            return
        if self._inbox_round != self._round:
            await self._open_inbox()
        # Counted now: what the old inbox still brought while it closed has taken slots.
        batch = self._wanted()
        if not batch:
            return
        if self._credit == 0:
            self._seen = time.monotonic()
        self._credit += batch
        request: dict[str, Any] = {
            "batch": batch,
            "expires": int(self._expires * 1e9),
            "idle_heartbeat": int(self._heartbeat * 1e9),
        }
        if self._group:
            request["group"] = self._group
        if self._pin:
            request["id"] = self._pin
        subject = f"{API}.CONSUMER.MSG.NEXT.{self.stream}.{self.consumer}"
        try:
            await self.connection.publish(subject, encode(request), reply=self._inbox)
        except PepperError:
            self._start_over()
            raise

    async def _open_inbox(self) -> None:
        """One inbox per round: closing the old one ends its requests at the server."""
        if self._subscription is not None:
            await self._subscription.drain()
        self._inbox, self._inbox_round = self.connection.new_inbox(), self._round
        self._subscription = await self.connection.subscribe(
            self._inbox, partial(self._take, self._round)
        )

    async def _recover(self) -> None:
        """The server does not know the consumer, or is not ready: make it, then ask anew."""
        if self._ensure is not None:
            await self._ensure()
        self._gone = False

    def _check_heartbeat(self) -> None:
        silent = time.monotonic() - self._seen
        if self._credit and self.connection.connected and silent > self._heartbeat * _MISSED:
            log.warning("pull.silent", consumer=self.consumer, seconds=round(silent, 1))
            self._start_over()

    def _start_over(self) -> None:
        """Takes every request as lost; late answers to them come on their own, older inbox."""
        self._round += 1
        self._credit = 0
        self._wake.set()

    # --- taking ---------------------------------------------------------------------------------

    def _take(self, round_: int, message: Message) -> None:
        self._seen = time.monotonic()
        current = round_ == self._round
        if message.reply:
            # Before its status: a sender may set a header of that name.
            delivery = from_message(message, self.connection)
            self._failures = 0
            self.held += 1
            if self._group:
                self._pin = message.headers.get(_PIN_ID, "")
            if current:
                self._credit = max(0, self._credit - 1)
            if self._credit == 0:
                self._wake.set()
            self._on_delivery(delivery)
        elif message.status and current:
            self._take_status(message)

    def _take_status(self, message: Message) -> None:
        status, text = message.status, message.headers.get("description", "")
        if status == "100":
            self._failures = 0
        elif status == "408":
            pending = message.headers.get(_PENDING_MESSAGES, "")
            self._credit = max(0, self._credit - int(pending)) if pending.isdigit() else 0
            self._wake.set()
        elif status == _UNPINNED:
            log.debug("pull.unpinned", consumer=self.consumer)
            self._pin = ""
            self._start_over()
        else:
            # 409: consumer or stream deleted, leadership change, shutdown; 503: nobody is there.
            log.info("pull.request_ended", consumer=self.consumer, status=status, text=text)
            self._gone = status == "503" or "deleted" in text.lower()
            self._failures += 1
            self._start_over()


class WorkPuller(Puller):
    """A puller that runs a coroutine on each delivery and frees the slot when it is done.

    Args:
        connection: The connection.
        stream: The consumer's stream.
        consumer: The consumer's name.
        slots: The most deliveries to work on at once.
        work: Works on a delivery and settles it.
        in_hand: Where the running ones are kept alive.
        ensure: Makes the consumer anew when the server says that it is gone.
        heartbeat: Seconds between the server's signs of life.
        expires: Seconds after which an unanswered request ends and is made anew.
        group: The priority group of a consumer that hands out to one puller alone.
        pulse: Seconds between the signs of life of a delivery.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        consumer: str,
        *,
        slots: int,
        work: Work,
        in_hand: InHand,
        ensure: Ensure | None = None,
        heartbeat: float = HEARTBEAT,
        expires: float | None = None,
        group: str = "",
        pulse: float | None = None,
    ) -> None:
        super().__init__(
            connection,
            stream,
            consumer,
            slots=slots,
            on_delivery=self._begin,
            ensure=ensure,
            heartbeat=heartbeat,
            expires=expires,
            group=group,
        )
        self._work_on = work
        self._in_hand = in_hand
        self._pulse = PULSE if pulse is None else pulse

    def _begin(self, delivery: Delivery) -> None:
        task = self.connection.loop.create_task(self._work(delivery), name=self.consumer)
        self._in_hand.hold(task, delivery, pulse=self._pulse)

    async def _work(self, delivery: Delivery) -> None:
        try:
            await self._work_on(delivery)
        finally:
            self.release()
