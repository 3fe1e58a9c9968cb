"""What the server sends, cut into messages and control lines (NATS client protocol).

The client library's own parser matches every line against up to seven expressions and moves the
whole buffer after each message. Here a message is cut out where it lies.
"""

from collections.abc import Iterator
from typing import TypeAlias

from nats.errors import ProtocolError

Arrived: TypeAlias = tuple[int, str, str, bytes, bytes]
"""A message: the subscription's number, subject, reply subject, body and header block."""
Control: TypeAlias = tuple[str, str]
"""A control line: its first word (``INFO``, ``PING``, ``PONG``, ``-ERR``) and the rest."""

MAX_LINE = 1 << 20
"""Bytes of the longest control line that is waited for: the server describes itself in one."""

_END = b"\r\n"
_MESSAGES = frozenset({"MSG", "HMSG"})


class Parser:
    """Cuts a stream of bytes that arrives in pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = 0
        self._resets = 0

    def reset(self) -> None:
        """Forgets what has been begun: another connection follows."""
        self._rest.clear()
        self._needed = 0
        self._resets += 1

    def cut(self, data: bytes) -> Iterator[Arrived | Control]:
        """Takes the next bytes of the stream and yields all that is whole.

        Raises:
            ProtocolError: They are not what a server sends.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, resets, self._needed = 0, self._resets, 0
        while (end := data.find(_END, at)) >= 0:
            line = data[at:end].decode("utf-8", "replace")
            words = line.split(" ")
            if words[0] in _MESSAGES:
                begin, headed = end + 2, words[0] == "HMSG"
                number, after, split = _numbers(words, begin, headed=headed)
                if len(data) < after + 2:
                    self._needed = after + 2 - at
                    break
                reply = words[3] if len(words) == 5 + headed else ""
                at = after + 2
                yield number, words[1], reply, data[split:after], data[begin:split]
                continue
            at = end + 2
            word, _, text = line.partition(" ")
            if word != "+OK":
                yield word, text
                if resets != self._resets:
                    return
        if not self._needed and len(data) - at > MAX_LINE:
            raise ProtocolError
        self._rest += data[at:]


def _numbers(words: list[str], begin: int, *, headed: bool) -> tuple[int, int, int]:
    """Whose a message is, where it ends, and where its headers do."""
    try:
        after = begin + int(words[-1])
        split = begin + int(words[-2]) if headed else begin
        number = int(words[2])
    except (ValueError, IndexError):
        raise ProtocolError from None
    if not begin <= split <= after or len(words) not in (4 + headed, 5 + headed):
        raise ProtocolError
    return number, after, split
