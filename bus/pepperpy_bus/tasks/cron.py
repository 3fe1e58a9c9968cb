"""Cron expressions as the server reads them: what is wrong with one, and when it fires next."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import msgspec

from pepperpy_schemas.errors import BadSchedule

SHORTCUTS: Final = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
"""Names that the server knows."""

_DAYS = 5 * 366
"""The server looks no further either."""


class _Field(msgspec.Struct, frozen=True):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """The number that a text stands for; names count from the field's least."""
        if text.lower() in self.names:
            return self.least + self.names.index(text.lower())
        return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else -1


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _WEEKDAYS),
)


class Cron(msgspec.Struct, frozen=True):
    """A cron expression that was read; `read_cron` makes one.

    Attributes:
        text: The six fields, or the shortcut, as the server takes it.
        allowed: The numbers of each field, in order.
        either: Whether a day matches by month or by week; a star in one of them demands both.
    """

    text: str
    allowed: tuple[tuple[int, ...], ...]
    either: bool

    def after(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Returns the first time after a moment, in UTC, or None when there is none in five years.

        A time that the clocks jump over does not exist; one that they pass twice is met twice.
        """
        first = moment.astimezone(zone).date()
        for offset in range(_DAYS):
            day = first + timedelta(days=offset)
            if self._on(day):
                for found in self._times(day, moment, zone):
                    if found > moment:
                        return found
        return None

    def _on(self, day: date) -> bool:
        _, _, _, days, months, weekdays = self.allowed
        by_month, by_week = day.day in days, day.isoweekday() % 7 in weekdays
        matches = by_month or by_week if self.either else by_month and by_week
        return day.month in months and matches

    def _times(self, day: date, since: datetime, zone: tzinfo) -> Iterator[datetime]:
        seconds, minutes, hours, *_ = self.allowed
        for hour in hours:
            for fold in (0, 1):
                for minute in minutes:
                    last = datetime(day.year, day.month, day.day, hour, minute, 59, tzinfo=zone)
                    if last.replace(fold=fold).astimezone(UTC) <= since:
                        continue
                    for second in seconds:
                        local = last.replace(second=second, fold=fold)
                        found = local.astimezone(UTC)
                        if _same(found.astimezone(zone), local):
                            yield found


def _same(there: datetime, back: datetime) -> bool:
    """Whether a local time exists: the clock shows it, and in this of two passes."""
    return there.replace(tzinfo=None) == back.replace(tzinfo=None) and there.fold == back.fold


def read_cron(text: str) -> Cron:
    """Returns what a cron expression says: six fields with seconds first, five without, or a name.

    Raises:
        BadSchedule: It cannot be read; the message names the field.
    """
    text = " ".join(text.split())
    fields = SHORTCUTS.get(text, text).split()
    if text.startswith("@") and text not in SHORTCUTS:
        names = f"use {', '.join(SHORTCUTS)}; for an interval give every=…"
        raise _wrong(text, "is no name that the server knows", names)
    if len(fields) == 5:
        text, fields = f"0 {text}", ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise _wrong(text, f"has {len(fields)} fields", _FORM)
    allowed = tuple(
        _numbers(text, part, field) for part, field in zip(fields, _FIELDS, strict=True)
    )
    starred = any(_starred(part) for part in (fields[3], fields[5]))
    cron = Cron(text, allowed, not starred)
    if cron.after(datetime.now(UTC), UTC) is None:
        raise _wrong(text, "names no day of the next five years", "look at day and month")
    return cron


_FORM = "write six fields: second minute hour day-of-month month day-of-week, as in '0 30 7 * * *'"


def _numbers(text: str, part: str, field: _Field) -> tuple[int, ...]:
    found: set[int] = set()
    for piece in part.split(","):
        numbers = _range(piece, field)
        if not numbers:
            names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
            raise _wrong(
                text,
                f"has {piece!r} for the {field.name}",
                f"the {field.name} is {field.least}-{field.most}{names}: 5, 1,2, 1-4, */10 or *",
            )
        found.update(numbers)
    return tuple(sorted(found))


def _range(piece: str, field: _Field) -> range | None:
    spread, slash, step = piece.partition("/")
    low, dash, high = spread.partition("-")
    if low in ("*", "?") and not dash:
        first, last = field.least, field.most
    else:
        first = field.number(low)
        last = field.number(high) if dash else field.most if slash else first
    every = int(step) if re.fullmatch(r"[0-9]{1,3}", step) else 0 if slash else 1
    if not field.least <= first <= last <= field.most or every == 0:
        return None
    return range(first, last + 1, every)


def _starred(part: str) -> bool:
    """Whether the server takes the field for open: a star that is not stepped over."""
    return any(re.fullmatch(r"[*?](/0*1)?", piece) for piece in part.split(","))


def _wrong(text: str, fact: str, hint: str) -> BadSchedule:
    return BadSchedule(f"cron {text!r:.80} {fact}", hint=hint, context={"option": "cron"})
