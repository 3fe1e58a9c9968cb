"""A terminal's whole screen, drawn again and again, and given back as it was."""

import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Final

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_HOME, _END_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


@contextlib.contextmanager
def screen() -> Iterator[Callable[[list[str]], None]]:
    """Takes the screen, and gives a function that shows lines on it: those that fit."""
    sys.stdout.write(_ENTER)
    try:
        yield _draw
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _draw(lines: list[str]) -> None:
    width, height = shutil.get_terminal_size()
    shown = [f"{cut(line, width)}{_END_OF_LINE}" for line in lines[: height - 1]]
    sys.stdout.write(_HOME + "\r\n".join(shown) + _REST)
    sys.stdout.flush()


def cut(line: str, width: int) -> str:
    """Returns the part of a line that fits; colours take no room."""
    shown = ""
    for part in _COLOUR.split(line):
        coloured = part.startswith("\x1b")
        shown += part if coloured else part[:width]
        width -= 0 if coloured else min(len(part), width)
    return shown
