"""Structured logs over the standard library: events with fields, for people or for machines.

An event is a key (`task.completed`), its values are fields. Whatever looks like a secret is cut
out, and no value can forge a line: control characters are escaped.
"""

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TextIO

import msgspec

from pepperpy_bus.redaction import CONTROL, escape, plain, redact, scrub

Format = Literal["human", "json", "auto"]
Level = Literal["debug", "info", "warning", "error"]

_BARE = re.compile(r"[^\s\"'=\\]+")
_RESERVED = frozenset({"ts", "level", "event", "logger", "exception"})
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}


_hides: list[Callable[[str], str]] = []
"""What every text of this process' logs passes through."""


class Log:
    """A named log with fields that every event of it carries; `bind` adds more."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object]) -> None:
        self._logger = logger
        self._fields = dict(fields)

    def bind(self, **fields: object) -> Self:
        """Returns a log of the same name with more fields."""
        return type(self)(self._logger, self._fields | fields)

    def debug(self, event: str, /, **fields: object) -> None:
        """Writes what only a developer wants to know."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Writes what went as it should."""
        if self._logger.isEnabledFor(logging.INFO):
            self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Writes what somebody should look at one day."""
        if self._logger.isEnabledFor(logging.WARNING):
            self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Writes what went wrong; `exc_info` takes an exception."""
        if self._logger.isEnabledFor(logging.ERROR):
            self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Writes an error with the exception that is being handled."""
        self.error(event, **{"exc_info": sys.exception(), **fields})

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        error = fields.pop("exc_info", None)
        trace = (
            (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
        )
        record = logging.LogRecord(self._logger.name, level, "", 0, event, None, trace)
        record.fields = self._fields | fields
        self._logger.handle(record)


def get_log(name: str) -> Log:
    """Returns the log of a name such as `pepperpy.worker`; dots make a tree as in `logging`."""
    return Log(logging.getLogger(name), {})


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002 - the setting's name
    *,
    stream: TextIO | None = None,
    color: bool | None = None,
) -> None:
    """Sends the logs of this process, foreign ones too, to one stream in one format.

    A second call replaces what the first one set.

    Args:
        level: The least level that is written.
        format: `human`, `json` (one object a line), or `auto`: human on a terminal.
        stream: Where to; stderr by default.
        color: Whether human lines have colours; by default on a terminal.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    human = format == "human" or (format == "auto" and terminal)
    handler = _Handler(out)
    handler.setFormatter(
        HumanFormatter(color=terminal if color is None else color) if human else JsonFormatter()
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


@contextlib.contextmanager
def hiding(hide: Callable[[str], str]) -> Iterator[None]:
    """Has every text of this process' logs pass through a function while the block runs."""
    _hides.append(hide)
    try:
        yield
    finally:
        _hides.remove(hide)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that `configure` finds it again."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `ts`, `level`, `logger`, `event`, the fields, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end."""
        line: dict[str, object] = {
            "ts": _time_of(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _hidden(scrub(plain(record.getMessage()))),
        }
        for key, value in _fields_of(record).items():
            line[f"{key}_" if key in _RESERVED else key] = value
        if record.exc_info:
            line["exception"] = _trace_of(record.exc_info)
        text = msgspec.json.encode(line).decode()
        return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class HumanFormatter(logging.Formatter):
    """`12:30:59.123 INFO    worker task.completed task_id=… duration_ms=3`, in local time."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line; a traceback follows on lines that begin with `  | `."""
        clock = f"{_time_of(record).astimezone():%H:%M:%S}.{int(record.msecs):03d}"
        words = [escape(_hidden(scrub(plain(record.getMessage()))))]
        words += [f"{escape(key)}={_word(value)}" for key, value in _fields_of(record).items()]
        name = escape(record.name.removeprefix("pepperpy."))
        line = f"{clock} {record.levelname:<7} {name} {' '.join(words)}"
        if self._color and (colour := _COLOURS.get(record.levelname)):
            line = f"{colour}{line}\x1b[0m"
        if record.exc_info:
            trace = _trace_of(record.exc_info)
            line += "".join(f"\n  | {escape(part)}" for part in trace.rstrip("\n").split("\n"))
        return line


def _word(value: object) -> str:
    text = escape(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    if not isinstance(value, str) or _BARE.fullmatch(text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return {plain(key): _hidden(redact(key, value)) for key, value in fields.items()}


def _hidden(value: Any) -> Any:
    """A text, or the texts in what `redact` returns, without what `hiding` hides."""
    if isinstance(value, str):
        for hide in _hides:
            value = hide(value)
    elif _hides and isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    elif _hides and isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return value


def _time_of(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _trace_of(error: _ExcInfo) -> str:
    lines = scrub(plain("".join(traceback.format_exception(*error)))).split("\n")
    return "\n".join(_hidden(line) for line in lines)
