"""Data to stdout: tables for people, JSON for programs; progress to stderr.

Whatever came over the bus is escaped here: nobody's data can move a reader's cursor.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import typer

from pepperpy_bus.redaction import CONTROL, escape

_TELLING = 1.0  # seconds; the rate of less is mostly that of the start


def is_live() -> bool:
    """Returns whether stdout is a terminal that a person looks at."""
    return sys.stdout.isatty()


def json_text(value: object) -> str:
    """Returns compact JSON without a raw control character."""
    text = msgspec.json.encode(value).decode()
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_line(value: object) -> None:
    """Prints one line of NDJSON at once, for a reader at the other end of a pipe."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """Prints one JSON document: indented on a terminal, a line in a pipe."""
    text = json_text(value)
    typer.echo(msgspec.json.format(text, indent=2) if is_live() else text)


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Prints a table for people, or the same as one JSON array."""
    if as_json:
        print_json(list(rows))
    else:
        for line in table(rows):
            typer.echo(line)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of an aligned table with the keys of the first row as its head."""
    if not rows:
        return []
    names = list(rows[0])
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    right = [all(isinstance(row.get(name), int | float) for row in rows) for name in names]
    lines = [[name.replace("_", " ").upper() for name in names], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def cell(value: object) -> str:
    """Returns a value as a table shows it."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple):
        return ",".join(map(cell, value))
    return escape(str(value))


class Progress:
    """Counts what is done, as a bar on stderr where that is a terminal.

    Args:
        total: How many there are.
        verb: What is done to them, for the summary: ``published``.
    """

    def __init__(self, total: int, verb: str) -> None:
        self.done = 0
        self._total = total
        self._verb = verb
        self._begin = time.monotonic()
        self._shown = self._begin
        self._live = sys.stderr.isatty()

    def step(self) -> None:
        """Counts one more."""
        self.done += 1
        now = time.monotonic()
        if self._live and now - self._shown > 0.1:
            self._shown = now
            part = self.done / max(self._total, 1)
            bar = "█" * round(part * 30)
            sys.stderr.write(f"\r{bar:<30} {self.done}/{self._total} {part:4.0%}")
            sys.stderr.flush()

    def end(self) -> None:
        """Says how many were done, how long it took and, when that says anything, how fast it was.

        Nothing is said to a reader who has gone away, nor of a failure before the first one.
        """
        if self._live:
            sys.stderr.write("\r\x1b[K")
        error = sys.exception()
        if isinstance(error, BrokenPipeError) or (error is not None and not self.done):
            return
        seconds = time.monotonic() - self._begin
        rate = f": {self.done / seconds:,.0f}/s" if seconds >= _TELLING else ""
        typer.echo(f"{self._verb} {self.done} in {seconds:.2f} s{rate}", err=True)
