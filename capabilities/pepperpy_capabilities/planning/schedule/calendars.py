"""Calendars as people write them, in the units of a schedule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pepperpy_bus.units import parse_duration
from pepperpy_capabilities.planning.schedule.windows import Windows, merged
from pepperpy_schemas.errors import BadProblem, PepperError
from pepperpy_schemas.resource_plans import MAX_TIME, CalendarSpec, ScheduleProblem

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Clock:
    """When the units of a schedule are.

    Attributes:
        start: When unit 0 is, on a clock that is never put forward or back; None when nobody said.
        unit: How long one is.
    """

    start: datetime | None
    unit: timedelta

    @classmethod
    def of(cls, problem: ScheduleProblem) -> "Clock":
        """Returns the clock of a problem.

        Raises:
            BadProblem: ``start`` or ``unit`` cannot be read.
        """
        try:
            unit = timedelta(seconds=parse_duration(problem.unit))
        except PepperError as error:
            raise _bad("unit", error.message) from None
        if unit < timedelta(seconds=1):
            raise _bad("unit", f"{problem.unit} is shorter than a second")
        if not problem.start:
            return cls(None, unit)
        try:
            start = datetime.fromisoformat(problem.start)
        except ValueError:
            raise _bad("start", f"{problem.start!r} is no time like 2026-11-30T08:00") from None
        if start.tzinfo is not None:
            raise _bad("start", f"{problem.start!r} has a zone; give the time on the wall alone")
        return cls(start, unit)

    def text(self, time: int) -> str:
        """Returns a time as people read it: empty when there is no start."""
        if self.start is None:
            return ""
        try:
            return (self.start + time * self.unit).isoformat(timespec="minutes")
        except OverflowError:
            return ""


def windows(name: str, calendar: CalendarSpec, clock: Clock, end: int) -> Windows:
    """Returns when a calendar is open, until an end.

    Raises:
        BadProblem: It cannot be read; ``context.field`` says where.
    """
    field = f"calendars.{name}"
    if calendar.weekly and calendar.open:
        raise _bad(field, "it has units and days of the week; give one of them")
    if not calendar.weekly:
        for place, (begin, close) in enumerate(calendar.open):
            if begin >= close:
                raise _bad(f"{field}.open[{place}]", f"it ends at {close}, before it begins")
        return merged(calendar.open, end)
    if clock.start is None:
        raise _bad(field, "days of the week need the problem's start")
    closed = {_day(f"{field}.closed[{n}]", one) for n, one in enumerate(calendar.closed)}
    weekly = {
        _DAYS.index(day): [_hours(f"{field}.weekly.{day}", one) for one in hours]
        for day, hours in calendar.weekly.items()
    }
    return merged(_weeks(weekly, closed, clock.start, clock.unit, end), end)


def regular_from(calendar: CalendarSpec, clock: Clock) -> int:
    """Returns a time after which a calendar, that was read, is the same in all weeks.

    Two weeks are counted before it, so that whatever comes is in it.
    """
    if clock.start is None or not calendar.weekly:
        return max((close for _, close in calendar.open), default=0)
    days = [date.fromisoformat(one) for one in calendar.closed]
    last = max([clock.start.date(), *days])
    return min(MAX_TIME, ((last - clock.start.date()) + timedelta(days=15)) // clock.unit)


def _weeks(
    weekly: dict[int, list[tuple[int, int]]],
    closed: set[date],
    start: datetime,
    unit: timedelta,
    end: int,
) -> Iterator[tuple[int, int]]:
    midnight = datetime.combine(start.date(), time())
    while (midnight - start) < end * unit:
        if midnight.date() not in closed:
            for begin, close in weekly.get(midnight.weekday(), ()):
                first = -((start - midnight - timedelta(minutes=begin)) // unit)
                last = (midnight + timedelta(minutes=close) - start) // unit
                yield max(0, first), last
        if midnight.date() == date.max:
            return
        midnight += timedelta(days=1)


def _hours(field: str, text: str) -> tuple[int, int]:
    begin, _, close = text.partition("-")
    try:
        hours = _minutes(begin), _minutes(close)
    except ValueError:
        raise _bad(field, f"{text!r} are no hours like 09:00-17:30") from None
    if hours[0] >= hours[1]:
        raise _bad(field, f"{text!r} ends before it begins")
    return hours


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.strip().split(":"))
    if not (0 <= hours <= 24 and 0 <= minutes < 60 and hours * 60 + minutes <= _MINUTES):
        raise ValueError(text)
    return hours * 60 + minutes


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _bad(field, f"{text!r} is no day like 2026-12-25") from None


def _bad(field: str, message: str) -> BadProblem:
    return BadProblem(f"{field}: {message}", context={"field": field})
