"""Messages that are on their way into a stream, watched until the server has them.

Nobody waits for them: the acknowledgements come to one inbox of the process. What is not
acknowledged within a few seconds, or was on its way when the connection broke, is sent again with
the same message id, in its order and before anything newer.
"""

import asyncio
import contextlib
import time
from typing import Self

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.subscription import Subscription
from pepperpy_schemas import headers as h
from pepperpy_schemas.errors import PepperError, Unreachable

RESEND_AFTER = 5.0
"""Seconds without an acknowledgement after which a message is sent again."""
MAX_WAITING = 10_000
"""Unacknowledged messages above which new ones are refused."""


class _Unacknowledged(msgspec.Struct):
    subject: str
    body: bytes
    msg_id: str
    sent: float = msgspec.field(default_factory=time.monotonic)


class Outbox:
    """Sends messages that must arrive, while its context is open.

    Attributes:
        dropped: Messages that the broker does not allow.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, _Unacknowledged] = {}
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._lost = False
        self._back = asyncio.Event()
        self._resending = asyncio.Lock()
        self._inbox = f"{connection.new_inbox()}."
        self._subscription: Subscription | None = None
        self._resender: asyncio.Task[None] | None = None
        self.dropped = 0

    async def __aenter__(self) -> Self:
        self._subscription = await self._connection.subscribe(f"{self._inbox}*", self._on_ack)
        self._connection.on_denied.append(self._drop_denied)
        self._connection.on_disconnect.append(self._lose)
        self._connection.on_reconnect.append(self._back.set)
        self._resender = asyncio.create_task(self._resend_loop(), name="outbox-resend")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._resender is not None:
            self._resender.cancel()
            await asyncio.gather(self._resender, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.stop()
        self._connection.on_disconnect.remove(self._lose)
        self._connection.on_reconnect.remove(self._back.set)
        self._connection.on_denied.remove(self._drop_denied)

    @property
    def full(self) -> bool:
        """Whether no more messages are taken until some are acknowledged."""
        return len(self._waiting) >= MAX_WAITING

    async def send(self, subject: str, body: bytes, msg_id: str) -> None:
        """Sends a message; it arrives later if the connection is away.

        Raises:
            PepperError: It can never be sent.
        """
        if (self._lost or self._resending.locked()) and self._connection.connected:
            # What was lost on the way goes first, so that the stream has all in order.
            await self._resend()
        self._count += 1
        token = f"{self._count:x}"
        message = self._waiting[token] = _Unacknowledged(subject, body, msg_id)
        self._idle.clear()
        if self._lost:
            return  # sent in its turn when the connection is back
        try:
            await self._publish(token, message)
        except Unreachable:
            pass  # sent again when the connection is back
        except PepperError:
            self._done(token)
            raise

    async def flush(self, timeout: float = 5.0) -> bool:
        """Waits until the server has every message; returns whether it has."""
        if self._connection.closed:
            return not self._waiting
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return not self._waiting

    async def _publish(self, token: str, message: _Unacknowledged) -> None:
        await self._connection.publish(
            message.subject,
            message.body,
            headers={h.MSG_ID: message.msg_id},
            reply=self._inbox + token,
        )

    def _on_ack(self, message: Message) -> None:
        if b'"error"' in message.body or message.status:
            return  # sent again until the stream is ready for it
        self._done(message.subject[len(self._inbox) :])

    def _drop_denied(self, lowered: str) -> None:
        """What the broker does not allow would be sent again for ever."""
        for token, message in list(self._waiting.items()):
            if message.subject.lower() == lowered:
                self.dropped += 1
                self._done(token)

    def _lose(self) -> None:
        """What was on its way when the connection broke is not answered any more."""
        self._lost = True

    def _done(self, token: str) -> None:
        self._waiting.pop(token, None)
        if not self._waiting:
            self._idle.set()

    async def _resend_loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESEND_AFTER / 2):
                    await self._back.wait()
            await self._resend()

    async def _resend(self) -> None:
        async with self._resending:
            self._back.clear()
            if not self._connection.connected:
                return
            late = time.monotonic() - (0.0 if self._lost else RESEND_AFTER)
            self._lost = False
            for token, message in list(self._waiting.items()):
                if message.sent < late and token in self._waiting:
                    message.sent = time.monotonic()
                    with contextlib.suppress(PepperError):
                        await self._publish(token, message)
