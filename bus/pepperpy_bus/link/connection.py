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
import errno
import random
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar

import nats
from nats.aio.client import Server

from pepperpy_bus.link.hooks import Hook, run_hooks
from pepperpy_bus.link.message import Message
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.link.replies import Awaited, Replies, nobody_listens
from pepperpy_bus.link.wire import Listener, OnMessage, Wire
from pepperpy_bus.logs import get_log
from pepperpy_bus.timers import Timers
from pepperpy_schemas.errors import (
    BadConfig,
    PepperError,
    PermissionDenied,
    Unreachable,
)

log = get_log("pepperpy.bus")

T = TypeVar("T")

MIN_API_LEVEL = 4
"""JetStream API level of nats-server 2.14: message TTL, schedules, batches, async persistence."""

_FLUSH_TIMEOUT = 10.0
# What a silent server has sent comes again; a process that is to end must not wait for it.
_DRAIN_TIMEOUT = 1.0
_LAST_FLUSH = 2.0
# Between two tries to reconnect: work goes on within two seconds of the broker's return.
_LONGEST_PAUSE = 1.0
_SAY_AFTER = 2.0
_SAY_AGAIN = 30.0
_VIOLATION = re.compile(r'permissions violation for (\w+)[^"]* "([^"]+)"', re.IGNORECASE)
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_AUTH = ("authorization violation", "authentication")


class Subscription:
    """Interest in a subject; leaving its context, or `stop`, ends it."""

    def __init__(self, connection: "Connection", inner: Listener) -> None:
        self._connection = connection
        self._inner = inner

    @property
    def subject(self) -> str:
        """The subject as it was subscribed."""
        return self._inner.subject

    async def stop(self) -> None:
        """Ends the subscription; harmless when the connection is gone."""
        self._connection._nats.unlisten(self._inner)

    async def drain(self) -> None:
        """Ends the subscription after handing on what the server has already sent."""
        await self._connection._drain(self._inner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()


class Connection:
    """A live connection; `open_connection` makes one.

    It reconnects for ever. While it is down, publishes wait in a buffer of 2 MiB and requests wait
    for their time-out.

    Attributes:
        options: How it was opened.
        loop: The event loop that it lives in.
        timers: The timers of that loop.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options.with_login()
        self.loop = asyncio.get_running_loop()
        self._nats = Wire(self.loop)
        self._up = asyncio.Event()
        self._refused: asyncio.Future[None] = self.loop.create_future()
        self.timers = Timers(self.loop)
        self._awaited = Awaited(self.loop, self.timers)
        self._proving: dict[str, PermissionDenied | None] = {}
        self._inbox = ""
        self._pongs: set[asyncio.Future[None]] = set()
        self._closing = False
        self.on_disconnect: list[Hook] = []
        self.on_reconnect: list[Hook] = []
        self.on_close: list[Hook] = []
        self.on_lame_duck: list[Hook] = []
        self.on_denied: list[Callable[[str], None]] = []
        """Called with the subject, in lower case, of every publish that the broker refuses."""

    # --- life -----------------------------------------------------------------------------------

    async def _open(self) -> None:
        o = self.options
        where = ", ".join(o.servers)
        auth: dict[str, Any] = {"user": o.user, "password": o.password, "token": o.token}
        connecting = asyncio.create_task(
            self._nats.connect(
                servers=list(o.servers),
                name=o.name,
                tls=o.tls,
                user_credentials=o.credentials or None,
                inbox_prefix=o.inbox_prefix,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.25,  # type: ignore[arg-type]  # slept as it is: a float works
                reconnect_to_server_handler=_next_server,
                ping_interval=o.ping_interval,  # type: ignore[arg-type]  # slept as it is
                max_outstanding_pings=2,
                skip_subject_validation=True,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
                closed_cb=self._on_closed,
                lame_duck_mode_cb=self._on_lame_duck,
                **{name: value for name, value in auth.items() if value},
            ),
            name="bus-connect",
        )
        try:
            await self._first_of(connecting, where)
            if self._refused.done():
                self._refused.result()
            if not connecting.done():
                why = _words(self._nats.last_error)
                raise Unreachable(
                    f"no broker answered at {where} within {o.connect_timeout:g} s"
                    + (f": {why}" if why else "")
                )
            connecting.result()
        except ssl.SSLError as error:
            raise Unreachable(f"TLS with {where} failed: {error}") from error
        except (nats.errors.Error, OSError, ValueError, ImportError) as error:
            raise BadConfig(
                f"cannot connect to {where}: {error}",
                hint="check the broker's URL and the credentials file",
            ) from error
        finally:
            self._refused.cancel()
            await _cancel(connecting)
        self._check_server()
        self._up.set()
        self._inbox = f"{self._nats.new_inbox()}."
        await self.subscribe(f"{self._inbox}*", self._on_reply)

    async def _first_of(self, connecting: "asyncio.Task[None]", where: str) -> None:
        """Waits until the broker has answered or refused, or the time is over."""
        either, left = {connecting, self._refused}, self.options.connect_timeout
        if left is not None:
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return
        pause = _SAY_AFTER
        while not (connecting.done() or self._refused.done()):
            await asyncio.wait(either, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if not (connecting.done() or self._refused.done()):
                log.warning("bus.waiting", server=where, reason=_words(self._nats.last_error))
                pause = _SAY_AGAIN

    def _check_server(self) -> None:
        info = self._nats._server_info
        where = f"nats-server {info.get('version', '?')} at {self.server}"
        if not info.get("jetstream"):
            raise BadConfig(
                f"{where} runs without JetStream", hint="start it with -js, or use: pepperpy up"
            )
        if int(info.get("api_lvl", 0)) < MIN_API_LEVEL:
            raise BadConfig(
                f"{where} has JetStream API level {info.get('api_lvl', 0)}, "
                f"PepperPy needs {MIN_API_LEVEL}",
                hint="run nats-server 2.14 or newer",
            )

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
        url = self._nats.connected_url
        return str(url.geturl()) if url else self.options.servers[0]

    @property
    def server_version(self) -> str:
        """The server's version, for example ``2.15.1``."""
        return str(self._nats._server_info.get("version", "?"))

    async def wait_connected(self, timeout: float) -> None:
        """Returns when the connection is up.

        Raises:
            Unreachable: It is still down after that many seconds.
        """
        try:
            async with asyncio.timeout(0 if self.closed else timeout):
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

    @contextlib.asynccontextmanager
    async def request_many(
        self, subject: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Replies]:
        """Sends a message and gives its answers, as many as are read inside the block.

        Raises:
            Unreachable: The connection is closed, or down.
        """
        if not self.connected:
            raise Unreachable(f"the broker at {self.server} is away")
        token, replies = self._awaited.many(subject)
        try:
            await self.publish(subject, body, headers=headers, reply=self._inbox + token)
            yield replies
        finally:
            self._awaited.forget(token)

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
        subscription = Subscription(self, self._nats.listen(subject, queue, on_message))
        if live:
            await self._prove(subscription)
        return subscription

    async def _prove(self, subscription: Subscription) -> None:
        """Returns when the server has the subscription; raises what it said against it."""
        subject = subscription.subject.lower()
        self._proving[subject] = None
        denied: PepperError | None = None
        try:
            await self.over_breaks(self.flush)
        except PepperError as error:
            denied = error
        finally:
            denied = self._proving.pop(subject, None) or denied
        if denied is not None:
            await subscription.stop()
            raise denied

    def new_inbox(self) -> str:
        """Returns a fresh subject under this connection's own inbox prefix."""
        return self._nats.new_inbox()

    async def _drain(self, inner: Listener) -> None:
        # The library forgets a subscription before the server does; what comes between is lost.
        if self._nats.is_connected:
            self._nats.unlisten(inner, forget=False)
            try:
                async with asyncio.timeout(_DRAIN_TIMEOUT):
                    await self.flush()
            except (PepperError, TimeoutError) as error:
                log.debug("bus.drain_cut_short", subject=inner.subject, error=str(error))
        self._nats.forget(inner)

    # --- what the library tells -----------------------------------------------------------------

    def _on_reply(self, message: Message) -> None:
        self._awaited.take(message.subject[len(self._inbox) :], message)

    async def _on_error(self, error: Exception) -> None:
        try:
            self._take_error(error)
        except Exception:
            log.exception("bus.error_callback_failed")

    def _take_error(self, error: Exception) -> None:
        text = str(error)
        found = _VIOLATION.search(text)
        if found:
            self._deny(found[1].lower(), found[2])
        elif any(words in text.lower() for words in _AUTH):
            who = f"user {self.options.user!r}" if self.options.user else "an anonymous client"
            log.error("bus.auth_refused", server=self.server, user=self.options.user)
            if not self._refused.done():
                self._refused.set_exception(
                    PermissionDenied(
                        f"the broker at {self.server} refuses {who}",
                        hint="check PEPPERPY_NATS_USER and PEPPERPY_NATS_PASSWORD",
                    )
                )
        elif not self._closing:
            log.debug("bus.connection_error", error=text, type=type(error).__name__)

    def _deny(self, what: str, subject: str) -> None:
        # The library lowers the case of the server's words, and with it the subject.
        ours = self._awaited.subjects if what == "publish" else self._nats.subjects
        spelled = next((one for one in ours if one.lower() == subject), subject)
        verb = "publish to" if what == "publish" else "subscribe to"
        user = self.options.user or "the anonymous user"
        denied = PermissionDenied(
            f"{user} may not {verb} {spelled}",
            context={"subject": spelled, "verb": what, "server": self.server},
        )
        log.warning("bus.permission_denied", subject=spelled, verb=what)
        if what != "publish":
            if subject in self._proving:
                self._proving[subject] = denied
            return
        self._awaited.deny(subject, denied)
        for hook in self.on_denied:
            hook(subject)

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


async def _cancel(task: "asyncio.Task[None]") -> None:
    """Cancels until it has ended: the library, and `wait_for` before 3.12, can miss it once."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    if not task.cancelled():
        task.exception()  # seen


def _words(error: Exception | None) -> str:
    """Why nobody answered, without the numbers of the system."""
    text = str(error or "")
    numbers = set(_ERRNO.findall(text))
    if numbers == {f"[Errno {errno.ECONNREFUSED}] "}:  # of every address that the name has
        return "nobody listens there"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    return _ERRNO.sub("", text)


def _next_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """Chooses where to reconnect: the least tried server, after a growing, random delay."""
    server = min(servers, key=lambda s: s.reconnects)
    ceiling = min(_LONGEST_PAUSE, 0.1 * 2 ** min(server.reconnects, 4))
    return server, random.uniform(0.02, ceiling)  # noqa: S311 - spreads load, keeps no secret
