"""What several processes say, in one readable stream of lines."""

from typing import TextIO

import msgspec

_COLOURS = ("36", "35", "34", "32", "33", "96", "95", "94")
_DIM = "2"

OWN = "up"
"""The name before what the stack itself says."""


class Output:
    """One stream of lines, each with the name of the process that wrote it.

    Args:
        stream: Where to.
        color: Whether each name has a colour.
        as_json: One JSON object a line; lines of children that are none become `event`.
    """

    def __init__(self, stream: TextIO, *, color: bool = False, as_json: bool = False) -> None:
        self._stream = stream
        self._color = color
        self._as_json = as_json
        self._names: dict[str, str] = {}
        self._width = 0

    def align(self, *names: str) -> None:
        """Make room for these names, in the order of their colours."""
        for name in (OWN, *names):
            colour = _DIM if name == OWN else _COLOURS[(len(self._names) - 1) % len(_COLOURS)]
            self._names.setdefault(name, colour)
        self._width = max(map(len, self._names))

    def line(self, name: str, text: str) -> None:
        """Write one line of a process."""
        self._write(self._json(name, text) if self._as_json else self._human(name, text))

    def note(self, text: str) -> None:
        """Write what the stack itself has to say."""
        self.line(OWN, text)

    def text(self, text: str) -> None:
        """Write a block for people; left out where machines read."""
        if not self._as_json:
            self._write(text)

    def _human(self, name: str, text: str) -> str:
        if name not in self._names:
            self.align(name)
        label = f"{name:<{self._width}} |"
        if self._color:
            label = f"\x1b[{self._names[name]}m{label}\x1b[0m"
        return f"{label} {text}"

    def _json(self, name: str, text: str) -> str:
        try:
            event = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeError):
            return msgspec.json.encode({"child": name, "event": text}).decode()
        return msgspec.json.encode({"child": name, **event}).decode()

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
