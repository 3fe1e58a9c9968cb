"""Durations, sizes and times as people write them: `1h30m`, `250ms`, `64MiB`, RFC 3339.

The only place that reads or writes these forms. A duration is a float of seconds, a size an int of
bytes, a moment an aware `datetime` in UTC.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pepperpy_schemas.errors import BadConfig

Duration = float | str | timedelta
"""Seconds, text such as ``5m``, or a timedelta."""
DURATION_EXAMPLES = "5m, 1h30m, 250ms, 2d or plain seconds"
SIZE_EXAMPLES = "64MiB, 512KiB, 10MB or plain bytes"
TIME_EXAMPLES = "2026-01-31T08:00:00Z or 2026-01-31T09:00:00+01:00"

_SECONDS = {
    "w": Decimal(604_800),
    "d": Decimal(86_400),
    "h": Decimal(3_600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
}
_BYTES = {
    "TiB": 1024**4,
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "TB": 1000**4,
    "GB": 1000**3,
    "MB": 1000**2,
    "KB": 1000,
    "B": 1,
}
_BYTES_BY_NAME = {name.lower(): factor for name, factor in _BYTES.items()}

# Longer times overflow the clocks that they are added to; larger sizes do not fit the wire's int64.
_LONGEST = Decimal(36_500) * _SECONDS["d"]
_LARGEST = 2**63 - 1

_NUMBER = r"\d{1,40}(?:\.\d{1,40})?"
_PLAIN = re.compile(_NUMBER, re.ASCII)
_PART = re.compile(rf"({_NUMBER})(w|d|h|ms|m|s|us)", re.ASCII)
_SIZE = re.compile(rf"({_NUMBER})\s?([a-z]+)?", re.ASCII | re.IGNORECASE)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class BadUnit(BadConfig, ValueError):
    """A duration, size or time is not written in a form that we read."""


def parse_duration(value: Duration) -> float:
    """Returns the seconds of `5m`, `1h30m`, `250ms`, `2d` or of a plain number of seconds.

    Raises:
        BadUnit: The value is none of these, is negative, or is longer than 100 years.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    seconds = _plain_number(value) if _is_number(value) else _sum_parts(str(value).strip())
    if seconds is None:
        raise _not_understood("duration", value, DURATION_EXAMPLES)
    if not 0 <= seconds <= _LONGEST:
        raise BadUnit(
            f"duration {_shown(value)} is out of range",
            hint=f"write a time between 0 and {format_duration(float(_LONGEST))}: "
            f"{DURATION_EXAMPLES}",
        )
    return float(seconds)


def format_duration(seconds: float) -> str:
    """Returns the shortest exact form: `90` becomes `1m30s`, `0.25` becomes `250ms`.

    `parse_duration` gives the same number back.
    """
    rest = Decimal(repr(float(seconds)))
    if rest == 0:
        return "0s"
    if rest < 0:
        return f"-{format_duration(-seconds)}"
    if rest < 1:
        return f"{_digits(rest * 1000)}ms"
    text = ""
    for unit in ("d", "h", "m"):
        count = int(rest // _SECONDS[unit])
        rest -= count * _SECONDS[unit]
        text += f"{count}{unit}" if count else ""
    return text + (f"{_digits(rest)}s" if rest else "")


def parse_size(value: str | float) -> int:
    """Returns the bytes of `64MiB`, `512KiB`, `10MB` or of a plain number of bytes.

    `KiB` counts in 1024, `KB` in 1000; the letters' case does not matter.

    Raises:
        BadUnit: The value is none of these, is negative, or is no whole number of bytes.
    """
    count = _plain_number(value) if _is_number(value) else _scaled(str(value).strip())
    if count is None:
        raise _not_understood("size", value, SIZE_EXAMPLES)
    if not 0 <= count <= _LARGEST or count != int(count):
        raise BadUnit(
            f"size {_shown(value)} is not a whole number of bytes between 0 and 2^63",
            hint=f"write it like {SIZE_EXAMPLES}",
        )
    return int(count)


def format_size(count: int) -> str:
    """Returns the shortest exact form: `524288` becomes `512KiB`, `10_000_000` becomes `10MB`.

    `parse_size` gives the same number back.
    """
    for unit, factor in _BYTES.items():
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return f"{count}B"


def now() -> datetime:
    """Returns the current moment, aware, in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime, *, timespec: str = "microseconds") -> str:
    """Returns a moment in RFC 3339, in UTC with `Z`.

    Args:
        moment: An aware moment.
        timespec: Precision, as for `datetime.isoformat`.

    Raises:
        BadUnit: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise BadUnit(
            f"time {moment.isoformat()} has no time zone", hint="use an aware datetime, as of now()"
        )
    return moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """Returns the moment of an RFC 3339 text, in UTC; nanoseconds are cut to microseconds.

    Raises:
        BadUnit: The text is not RFC 3339 or lacks the time zone.
    """
    if _RFC3339.fullmatch(text) is None:
        raise _not_understood("time", text, TIME_EXAMPLES)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _not_understood("time", text, TIME_EXAMPLES) from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain_number(value: object) -> Decimal | None:
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _sum_parts(text: str) -> Decimal | None:
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    units = list(_SECONDS)
    total, position, last = Decimal(0), 0, -1
    while position < len(text):
        part = _PART.match(text, position)
        # Largest unit first and each once: `30m1h` and `5m5m` are slips, not durations.
        if part is None or units.index(part[2]) <= last:
            return None
        last = units.index(part[2])
        total += Decimal(part[1]) * _SECONDS[part[2]]
        position = part.end()
    return total if text else None


def _scaled(text: str) -> Decimal | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    factor = _BYTES_BY_NAME.get((match[2] or "B").lower())
    return None if factor is None else Decimal(match[1]) * factor


def _digits(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shown(value: object) -> str:
    return repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."


def _not_understood(what: str, value: object, examples: str) -> BadUnit:
    return BadUnit(f"{what} {_shown(value)} is not understood", hint=f"write it like {examples}")
