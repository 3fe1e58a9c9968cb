"""One connection to the broker; the client library's traps end here.

What nats-py 2.16 does that callers of this module never see (each has a regression test):

- ``flush()`` after ``subscribe()`` sends its PING ahead of the SUB: two make it live. One that is
  canceled or timed out ends the read loop when its answer comes late.
- An exception in ``error_cb`` or in a message's dispatch ends the read loop while the connection
  still looks connected: nothing raised by a callback leaves this module.
- Callbacks run one at a time behind a queue and a task for each subscription: messages are handed
  to a plain function as they are parsed instead.
- It gives up reconnecting after 60 tries, and half-open links stay unnoticed for minutes.
- A body that fits with headers that do not makes the server cut the connection, and every call on
  it: sizes are checked here, headers included.
- A permission violation arrives apart from the call that caused it, which then times out: it is
  carried to the calls that wait on that subject.
- A broken link is closed only after it has taken what is buffered, which a half-open one never
  does: it is cut off instead.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from pepperpy_bus.link.denials import Denials
from pepperpy_bus.link.dialing import dial, server_of
from pepperpy_bus.link.hooks import Hook, run_hooks
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.link.replies import Awaited, Replies, nobody_listens
from pepperpy_bus.link.subscription import Subscription
from pepperpy_bus.link.wire import OnMessage, Wire
from pepperpy_bus.logs import get_log
from pepperpy_bus.timers import Timers
from pepperpy_schemas.errors import PepperError, Unavailable, Unreachable

log = get_log("pepperpy.bus")

T = TypeVar("T")

_FLUSH_TIMEOUT = 10.0
_LAST_FLUSH = 2.0


class Connection:
    """A live connection; `open_connection` makes one.

    It reconnects for ever. While it is down, publishes wait in a buffer of 2 MiB and requests wait
    for their time-out.

    Attributes:
        options: How it was opened.
        loop: The event loop that it lives in.
        timers: The timers of that loop.
        on_denied: Called with the subject, in lower case, of every publish that is refused.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options.with_login()
        self.loop = asyncio.get_running_loop()
        self._nats = Wire(self.loop)
        self._up = asyncio.Event()
        self.timers = Timers(self.loop)
        self._awaited = Awaited(self.loop, self.timers)
        self._denials = Denials(self._nats, self.options, self._awaited)
        self._inbox = ""
        self._pongs: set[asyncio.Future[None]] = set()
        self._closing = False
        self.on_disconnect: list[Hook] = []
        self.on_reconnect: list[Hook] = []
        self.on_close: list[Hook] = []
        self.on_lame_duck: list[Hook] = []
        self.on_denied = self._denials.hooks

    # --- life -----------------------------------------------------------------------------------

    async def _open(self) -> None:
        await dial(
            self._nats,
            self.options,
            self._denials.login,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            lame_duck_mode_cb=self._on_lame_duck,
        )
        self._up.set()
        self._inbox = f"{self._nats.new_inbox()}."
        await self.subscribe(f"{self._inbox}*", self._on_reply)

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._up.is_set()

    @property
    def closed(self) -> bool:
        """Whether it was closed for good, by us or by the server."""
        return self._closing or self._nats.is_closed

    @property
    def server(self) -> str:
        """The address of the server, without a password."""
        return server_of(self._nats, self.options)

    @property
    def server_version(self) -> str:
        """The server's version, for example ``2.15.1``."""
        return str(self._nats._server_info.get("version", "?"))

    async def wait_connected(self, timeout: float) -> None:
        """Returns when the connection is up.

        Raises:
            Unreachable: It is still down after that many seconds, or closed for good.
        """
        if self.closed:
            raise Unreachable(f"the connection to {self.server} is closed")
        try:
            async with asyncio.timeout(timeout):
                await self._up.wait()
        except TimeoutError:
            raise Unreachable(f"the broker at {self.server} is away") from None

    async def close(self) -> None:
        """Sends what is buffered and closes; nothing can be sent afterwards."""
        self._closing = True
        try:
            if self.connected:
                async with asyncio.timeout(_LAST_FLUSH):
                    await self.flush()
        except Exception as error:
            log.debug("bus.closed_unflushed", error=str(error))
            self._nats.cut_off()
        with contextlib.suppress(Exception):  # it may never have connected
            await self._nats.close()
        self._awaited.fail_all(Unreachable("the connection was closed"))

    # --- sending --------------------------------------------------------------------------------

    async def publish(
        self,
        subject: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        reply: str = "",
    ) -> None:
        """Sends a message without an answer; it may be lost when the connection breaks.

        Raises:
            BadName: The subject or a header's name cannot travel.
            TooLarge: Body and headers together are more than the server takes.
            Unreachable: The connection is closed, or down with its buffer full.
        """
        self._nats.write(subject, body, headers, reply)
        if self._nats.crowded:
            await self._nats.relieve()

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        while_up: bool = False,
    ) -> Message:
        """Sends a message and returns the first answer.

        Args:
            subject: Where to ask.
            body: The payload.
            headers: Headers to send with it.
            timeout: Seconds to wait for the answer; the connection's own default.
            while_up: Fail as soon as the connection breaks, for callers who ask again then.

        Raises:
            PermissionDenied: The broker does not allow this user this subject.
            Unavailable: Nobody listens there, or nobody answered in time.
            Unreachable: The connection is closed, or down with its buffer full, or it broke.
        """
        seconds = self.options.request_timeout if timeout is None else timeout
        token, answer = self._awaited.one(subject, seconds, while_up=while_up)
        try:
            self._nats.write(subject, body, headers, self._inbox + token)
            if self._nats.crowded:
                await self._nats.relieve()
            message = await answer
        finally:
            self._awaited.forget(token)
        if message.status == "503":
            raise nobody_listens(subject)
        return message

    async def unheard(self, subject: str, body: bytes, *, timeout: float = 2.0) -> bool:
        """Sends a message, and says whether the server found nobody who subscribes its subject.

        It is an answer of the server's own to a message with a reply subject; from those who do
        subscribe, none is expected.

        Args:
            subject: Where to.
            body: The payload.
            timeout: Seconds without an answer after which somebody seems to be there.
        """
        try:
            await self.request(subject, body, timeout=timeout)
        except Unavailable as error:
            return error.context.get("heard") is False
        except PepperError:
            return False
        return False

    @contextlib.asynccontextmanager
    async def request_many(
        self, subject: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Replies]:
        """Sends a message and gives its answers, as many as are read inside the block.

        They come to a subject that is subscribed as long as the block runs, so that the one who
        answers can find out that nobody listens any more.

        Raises:
            Unreachable: The connection is closed, or down.
        """
        if not self.connected:
            raise Unreachable(f"the broker at {self.server} is away")
        token, replies = self._awaited.many(subject)
        inbox = f"{self._inbox}{token}.s"
        answers = await self.subscribe(inbox, replies.take)
        try:
            await self.publish(subject, body, headers=headers, reply=inbox)
            yield replies
        finally:
            self._awaited.forget(token)
            await answers.stop()

    async def over_breaks(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks what may be asked twice, and again when the connection broke before the answer.

        Raises:
            Unreachable: The connection did not come back within the time of a request.
        """
        end = self.loop.time() + self.options.request_timeout
        while True:
            try:
                return await ask()
            except Unreachable:
                left = end - self.loop.time()
                if left <= 0:
                    raise
                await self.wait_connected(left)

    async def flush(self) -> None:
        """Returns when the server has seen everything sent and subscribed so far."""
        # The library sends the first one ahead of what waits.
        await self._ping()
        await self._ping()

    async def _ping(self) -> None:
        if not self.connected:
            raise Unreachable(f"the broker at {self.server} is away")
        pong: asyncio.Future[None] = self.loop.create_future()
        self._pongs.add(pong)
        try:
            await self._nats._send_ping(pong)
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                # A late answer to a canceled future would end the library's reader.
                await asyncio.shield(pong)
        except TimeoutError:
            raise Unreachable(f"the broker at {self.server} does not answer") from None
        finally:
            self._pongs.discard(pong)

    # --- receiving ------------------------------------------------------------------------------

    async def subscribe(
        self, subject: str, on_message: OnMessage, *, queue: str = "", live: bool = False
    ) -> Subscription:
        """Hands every message of a subject to a plain function, as it arrives.

        The function must not block; it runs inside the reader. What it raises is logged.

        Args:
            subject: The subject, wildcards allowed.
            on_message: Called with each message.
            queue: Members of one queue share the messages.
            live: Return only when the server has the subscription.

        Raises:
            PermissionDenied: The broker does not allow it (found out only when ``live``).
        """
        listener = self._nats.listen(subject, queue, on_message)
        subscription = Subscription(self._nats, listener, self.flush)
        if live:
            await self._prove(subscription)
        return subscription

    async def _prove(self, subscription: Subscription) -> None:
        """Returns when the server has the subscription; raises what it said against it."""
        with self._denials.against(subscription.subject) as proof:
            failed: PepperError | None = None
            try:
                await self.over_breaks(self.flush)
            except PepperError as error:
                failed = error
        denied = proof.denied or failed
        if denied is not None:
            await subscription.stop()
            raise denied

    def new_inbox(self) -> str:
        """Returns a fresh subject under this connection's own inbox prefix."""
        return self._nats.new_inbox()

    # --- what the library tells -----------------------------------------------------------------

    def _on_reply(self, message: Message) -> None:
        self._awaited.take(message.subject[len(self._inbox) :], message)

    async def _on_error(self, error: Exception) -> None:
        try:
            if not self._denials.take(str(error)) and not self._closing:
                log.debug("bus.connection_error", error=str(error), type=type(error).__name__)
        except Exception:
            log.exception("bus.error_callback_failed")

    async def _on_disconnected(self) -> None:
        self._up.clear()
        broken = Unreachable("the connection broke while answers were awaited")
        self._awaited.break_off(broken)
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(broken)
        if not self._closing:
            log.warning("bus.disconnected", server=self.server)
            await run_hooks(self.on_disconnect)

    async def _on_reconnected(self) -> None:
        self._up.set()
        log.info("bus.reconnected", server=self.server)
        await run_hooks(self.on_reconnect)

    async def _on_lame_duck(self) -> None:
        log.warning("bus.lame_duck", server=self.server)
        await run_hooks(self.on_lame_duck)

    async def _on_closed(self) -> None:
        self._up.clear()
        if not self._closing:
            log.error("bus.closed", server=self.server)
            self._awaited.fail_all(Unreachable("the broker closed the connection for good"))
            await run_hooks(self.on_close)


@contextlib.asynccontextmanager
async def open_connection(options: ConnectionOptions) -> AsyncIterator[Connection]:
    """Connects, and closes at the end.

    Raises:
        Unreachable: Nobody answered within ``connect_timeout``.
        PermissionDenied: The broker refuses the user.
        BadConfig: The server lacks something that PepperPy needs.
    """
    connection = Connection(options)
    try:
        await connection._open()
        yield connection
    finally:
        await connection.close()
