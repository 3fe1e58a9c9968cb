"""The client library's client, with a short way in and a short way out.

nats-py checks, copies and queues every message several times, in as many coroutines. Here a
message is written into its buffer, and handed to its listener as it is parsed, in one step each.
This is the only module that knows nats-py's inside; the version is bounded for its sake.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final

from nats.aio.client import Client as NatsClient
from nats.aio.client import Srv
from nats.errors import ProtocolError

from pepperpy_bus.link.message import NO_HEADERS, Message
from pepperpy_bus.link.parser import Parser
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadName, TooLarge, Unreachable
from pepperpy_schemas.headers import SERVER_STATUS

log = get_log("pepperpy.bus")

OnMessage = Callable[[Message], None]

BUFFER = 2 << 20
"""Bytes that wait for the socket above which a sender waits, or is refused while it is down."""

_LOOK_AGAIN = 0.5
_VERSION = "NATS/1.0"
_STATUS = SERVER_STATUS.lower()
_DESCRIPTION = "description"
_PROTOCOL_ROOM = 4096
_MAX_SUBJECT = 1024
_MAX_KNOWN_NAMES = 512
_NAME_SIGNS = frozenset("!#$%&'*+-.^_`|~")
_known_names: dict[str, bytes] = {}
_folded_names: dict[str, str] = {}


class Listener:
    """An entry of the library's table of subscriptions; it has what the library looks at."""

    __slots__ = (
        "_id",
        "_max_msgs",
        "_message_iterator",
        "_pending_next_msgs_calls",
        "_queue",
        "_received",
        "_subject",
        "_wait_for_msgs_task",
        "on_message",
    )

    def __init__(self, number: int, subject: str, queue: str, on_message: OnMessage) -> None:
        self._id = number
        self._subject = subject
        self._queue = queue
        self._max_msgs = 0
        self._received = 0
        self._wait_for_msgs_task = None
        self._message_iterator = None
        self._pending_next_msgs_calls = None
        self.on_message = on_message

    @property
    def subject(self) -> str:
        """The subject as it was subscribed."""
        return self._subject


class Wire(NatsClient):
    """A connection of the library's, with our way in and out.

    Args:
        loop: The event loop that it lives in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._own_loop = loop
        incoming = _Incoming(self)
        self._ps = incoming  # type: ignore[assignment]  # it has what is called

    def write(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None, reply: str
    ) -> None:
        """Puts a message into the buffer; it is sent when the loop comes round.

        Raises:
            BadName: The subject or a header's name cannot travel.
            TooLarge: Body and headers together are more than the server takes.
            Unreachable: The connection is closed, or down with its buffer full.
        """
        check_subject(subject)
        size = len(body)
        if headers:
            block = _header_block(headers)
            size += len(block)
            self._check_size(subject, size, self._max_payload - _PROTOCOL_ROOM)
            line = f"HPUB {subject} {reply} {len(block)} {size}\r\n"
            self._send(subject, b"".join((line.encode(), block, body, b"\r\n")))
        else:
            self._check_size(subject, size, self._max_payload)
            line = f"PUB {subject} {reply} {size}\r\n"
            self._send(subject, b"".join((line.encode(), body, b"\r\n")))

    def listen(self, subject: str, queue: str, on_message: OnMessage) -> Listener:
        """Subscribes; every message is handed to the function inside the reader.

        Raises:
            BadName: The subject cannot travel.
            Unreachable: The connection is closed.
        """
        check_subject(subject)
        self._sid += 1
        listener = Listener(self._sid, subject, queue, on_message)
        self._send(subject, f"SUB {subject} {queue} {self._sid}\r\n".encode())
        self._subs[self._sid] = listener  # type: ignore[assignment]  # it has what is looked at
        return listener

    def unlisten(self, listener: Listener, *, forget: bool = True) -> None:
        """Ends a subscription; harmless when the connection is gone.

        Args:
            listener: The subscription.
            forget: Drop what the server sent before it knew; else call `forget` later.
        """
        if not self.is_closed:
            self._send(listener.subject, f"UNSUB {listener._id}\r\n".encode())
        if forget:
            self.forget(listener)

    def forget(self, listener: Listener) -> None:
        """Hands nothing more to a listener."""
        self._subs.pop(listener._id, None)

    @property
    def subjects(self) -> list[str]:
        """What is listened to."""
        return [one.subject for one in self._subs.values()]

    @property
    def crowded(self) -> bool:
        """Whether so much waits for the socket that senders should wait for it."""
        return bool(self._pending_data_size > BUFFER)

    async def relieve(self) -> None:
        """Returns when the socket has taken what waits, or the link is gone."""
        if self._flush_queue is None:
            return
        # The library's own wait takes a cancellation for its end, and lets the caller go on.
        taken = self._own_loop.create_future()
        await self._flush_queue.put(taken)
        while self.is_connected and not taken.done():
            await asyncio.wait({taken}, timeout=_LOOK_AGAIN)

    def cut_off(self) -> None:
        """Drops the link with what is buffered for it."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def _send(self, subject: str, command: bytes) -> None:
        up = self.is_connected
        if not up:
            self._check_room(subject)
        self._pending.append(command)
        self._pending_data_size += len(command)
        if up and self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(self._own_loop.create_future())

    def _check_room(self, subject: str) -> None:
        """Refuses what can neither be sent nor wait until the broker is back."""
        if self.is_closed:
            raise Unreachable(f"cannot use {subject}: the connection is closed")
        if self.crowded:
            raise Unreachable(f"cannot use {subject}: the broker is away and the buffer is full")

    def _check_size(self, subject: str, size: int, limit: int) -> None:
        if size > limit:
            raise TooLarge(
                f"{size} bytes for {subject} are more than the broker's {limit}",
                context={"size": size, "limit": limit, "subject": subject},
            )

    def _dispatch(self, sid: int, subject: str, reply: str, body: bytes, headers: bytes) -> None:
        listener = self._subs.get(sid)
        if not isinstance(listener, Listener):
            return  # ended since
        folded = _read_headers(headers) if headers else NO_HEADERS
        try:
            listener.on_message(Message(subject, body, folded, reply))
        except (Exception, asyncio.CancelledError):  # a canceled future's; it would end the reader
            log.exception("bus.dispatch_failed", subject=subject)

    async def _obey(self, word: str, text: str) -> None:
        match word:
            case "PING":
                await self._process_ping()
            case "PONG":
                await self._process_pong()
            case "INFO":
                await self._process_info(json.loads(text))
            case "-ERR":
                await self._process_err(text.lower())
            case _:
                raise ProtocolError

    async def _connect_to_server(self, s: Srv) -> None:
        self.cut_off()  # one that was refused is left open otherwise
        await super()._connect_to_server(s)

    async def _process_op_err(self, e: Exception) -> None:
        # The library closes a broken link only after it has taken what is buffered, which a
        # half-open one never does.
        if not self.is_closed and not self.is_reconnecting:
            self.cut_off()
        await super()._process_op_err(e)


class _Incoming(Parser):
    """Stands where the library has its own parser."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    async def parse(self, data: bytes = b"") -> None:
        """Hands on what is whole."""
        wire = self._wire
        for item in self.cut(data):
            if len(item) == 5:
                wire._dispatch(*item)
            else:
                await wire._obey(*item)


def check_subject(subject: str) -> None:
    """Refuses what would be another command to the server, or make it cut the connection.

    Raises:
        BadName: The subject is empty, too long, or has a space or line end.
    """
    if len(subject) > _MAX_SUBJECT:
        raise BadName(f"a subject of {len(subject)} characters is too long: {subject[:60]}…")
    if subject.split(None, 1) != [subject]:
        raise BadName(f"subject {subject!r:.80} is empty or has a space or line end")


_APPENDED: Final = frozenset(
    f"nats-{what}"
    for what in ("stream", "subject", "sequence", "time-stamp", "last-sequence", "msg-size")
)
"""What the server says of the copies that it hands on."""


def _read_headers(block: bytes) -> dict[str, str]:
    """Headers by lower-case name, the first of equal ones; the server's status is one of them.

    What the server says of a copy stands behind what its sender wrote, and is the last one.
    The block is ``NATS/1.0[ <status>[ <description>]]``, then a line for each header (NATS ADR-4).
    Names that are no tokens are left out.
    """
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    folded: dict[str, str] = {}
    status, _, description = first[len(_VERSION) :].strip().partition(" ")
    if status.isdigit():
        folded[_STATUS] = status
        if description:
            folded[_DESCRIPTION] = description
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and (name := _folded_names.get(name) or _folded_name(name)):
            if name in _APPENDED:
                folded[name] = value.strip()
            else:
                folded.setdefault(name, value.strip())
    return folded


def _folded_name(name: str) -> str:
    """The name in lower case, or nothing when it is no token."""
    folded = name.strip().lower()
    if not folded.isascii() or folded.split() != [folded]:
        return ""
    if len(_folded_names) >= _MAX_KNOWN_NAMES:
        _folded_names.clear()
    _folded_names[name] = folded
    return folded


def _header_block(headers: Mapping[str, str]) -> bytes:
    parts = [b"NATS/1.0\r\n"]
    for name, value in headers.items():
        parts.append(_known_names.get(name) or _header_name(name))
        parts.append(_header_value(value))
    parts.append(b"\r\n")
    return b"".join(parts)


def _header_value(value: str) -> bytes:
    if "\r" in value or "\n" in value:
        value = value.replace("\r", " ").replace("\n", " ")
    return f"{value.strip()}\r\n".encode()


def _header_name(name: str) -> bytes:
    if not name or not all(c.isascii() and (c.isalnum() or c in _NAME_SIGNS) for c in name):
        raise BadName(f"header name {name!r:.80} is not valid")
    if len(_known_names) >= _MAX_KNOWN_NAMES:
        _known_names.clear()
    written = _known_names[name] = f"{name}: ".encode()
    return written
