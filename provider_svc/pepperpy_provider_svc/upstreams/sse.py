"""Server-sent events, as bytes: what the providers' streams are made of."""

from typing import Final

from pepperpy_schemas.errors import StreamBroken

MAX_EVENT: Final = 16 * 1024 * 1024
"""Bytes of one event; no provider sends such ones, and a broken one could fill the memory."""


class EventParser:
    """Cuts blocks of bytes into the data of events, wherever the network has cut them.

    Names and ids of events are skipped: every protocol here repeats them in the data. Lines end
    in LF or CRLF. An event without the blank line at its end never happened.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, block: bytes) -> list[bytes]:
        """Returns the data of the events that are whole now.

        Raises:
            StreamBroken: An event is larger than `MAX_EVENT`.
        """
        self._rest += block
        end = self._rest.rfind(b"\n")
        if end < 0:
            self._check(len(self._rest))
            return []
        lines = bytes(self._rest[:end]).split(b"\n")
        del self._rest[: end + 1]
        events: list[bytes] = []
        for line in lines:
            self._take(line.removesuffix(b"\r"), events)
        self._check(len(self._rest) + sum(map(len, self._data)))
        return events

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        elif line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise StreamBroken(f"a piece of the answer has more than {MAX_EVENT} bytes")
