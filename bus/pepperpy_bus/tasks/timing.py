"""When a task is due: what callers say, in the server's words."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.tasks.cron import read_cron
from pepperpy_bus.units import (
    BadUnit,
    Duration,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
)
from pepperpy_schemas.errors import BadSchedule

ONCE: Final = ("at", "delay")
RECURRING: Final = ("every", "cron")
OPTIONS: Final = frozenset((*ONCE, *RECURRING, "tz"))
"""The options of `Client.submit` that make a schedule of a task."""

_AT: Final = "@at "
_EVERY: Final = "@every "
_FARTHEST: Final = timedelta(days=36_500)


class Timing(msgspec.Struct, frozen=True):
    """When a schedule fires.

    Attributes:
        spec: As the server has it: ``@at <time>``, ``@every <duration>`` or cron.
        tz: The time zone of a cron expression; empty for UTC.
        relative: Whether the time was said as a delay.
    """

    spec: str
    tz: str = ""
    relative: bool = False

    @property
    def at(self) -> datetime | None:
        """The time of one that fires once."""
        return parse_time(self.spec.removeprefix(_AT)) if self.spec.startswith(_AT) else None

    def next(self, stored: datetime, now: datetime) -> datetime | None:
        """Returns when it fires next, as far as that can be known from outside.

        Args:
            stored: When the server stored the schedule.
            now: The time.
        """
        if self.spec.startswith(_AT):
            return self.at
        if self.spec.startswith(_EVERY):
            return _after_intervals(self.spec.removeprefix(_EVERY), stored, now)
        from zoneinfo import ZoneInfo

        try:
            return read_cron(self.spec).after(now, ZoneInfo(self.tz or "UTC"))
        except (BadSchedule, LookupError, ValueError):
            # Only the server needs to know the zone; and what others write, it may read otherwise.
            return None


async def read_timing(options: Mapping[str, Any], clock: ServerClock) -> Timing | None:
    """Returns when a task is due, by the server's clock, or None when nothing is said about it.

    Args:
        options: `at`, `delay`, `every`, `cron` and `tz` as given to `Client.submit`.
        clock: The server's clock.

    Raises:
        BadSchedule: They say two times, one that is past, or none that can be read.
    """
    given = {name: options[name] for name in (*ONCE, *RECURRING) if options.get(name) is not None}
    tz = options.get("tz")
    if len(given) > 1:
        together = " and ".join(given)
        raise _wrong(next(iter(given)), f"{together} are given together", "give one of them")
    if tz is not None and "cron" not in given:
        hint = "it is the zone of cron=; at= carries its own: 2026-01-31T09:00:00+01:00"
        raise _wrong("tz", f"tz is {tz!r:.80} without cron", hint)
    if not given:
        return None
    if "every" in given:
        return Timing(f"{_EVERY}{_interval(given['every'])}s")
    if "cron" in given:
        return Timing(read_cron(given["cron"]).text, _zone(tz))
    if "delay" in given:
        delay = timedelta(seconds=_seconds("delay", given["delay"]))
        await clock.sync()
        return Timing(_AT + format_time(clock.now() + delay), relative=True)
    when = _moment(given["at"])
    await clock.sync()
    return Timing(_AT + format_time(_to_come(when, clock.now())))


def refuse_recurring(options: Mapping[str, Any]) -> None:
    """Raises when the options make a task that comes again and again.

    Raises:
        BadSchedule: They do; nobody can wait for its one result.
    """
    for name in RECURRING:
        if options.get(name) is not None:
            hint = "submit it; the results are those of the tasks that it becomes"
            raise _wrong(name, f"{name} gives more than one result to wait for", hint)


def _to_come(when: datetime, now: datetime) -> datetime:
    told = format_time(when)
    if when <= now:
        ago = format_duration(max(1, round((now - when).total_seconds())))
        fact = f"at is {told}, which was {ago} ago by the broker's clock"
        raise _wrong("at", fact, "leave it out to submit the task now")
    if when - now > _FARTHEST:
        raise _wrong("at", f"at is {told}, more than 100 years from now", "give an earlier time")
    return when


def _moment(value: datetime | str) -> datetime:
    if not isinstance(value, datetime):
        try:
            return parse_time(value)
        except (BadUnit, TypeError) as error:
            hint = "write it with its zone, as 2026-01-31T09:00:00+01:00, or give a datetime"
            raise _wrong("at", f"at is {value!r:.80}", hint) from error
    if value.utcoffset() is None:
        hint = "give it one: datetime(2026, 1, 31, 9, tzinfo=ZoneInfo('Europe/Berlin'))"
        raise _wrong("at", f"at is {value.isoformat()}, which has no time zone", hint)
    return value.astimezone(UTC)


def _interval(value: Duration) -> int:
    seconds = _seconds("every", value)
    if seconds < 1 or seconds != int(seconds):
        fact = f"every is {format_duration(seconds)}"
        raise _wrong("every", fact, "give whole seconds, 1s or more: 30s, 5m, 1d")
    return int(seconds)


def _seconds(option: str, value: Duration) -> float:
    try:
        return parse_duration(value)
    except BadUnit as error:
        raise _wrong(option, f"{option}: {error}", error.hint) from error


def _zone(tz: str | None) -> str:
    # Every server of a cluster has its own.
    if tz is not None and tz.strip().lower() in ("", "local"):
        raise unknown_zone(tz)
    return "" if tz is None else tz


def unknown_zone(tz: str) -> BadSchedule:
    """Returns the error for a time zone that the server does not have."""
    hint = "use a name as Europe/Berlin; the broker's machine must have the time zone data"
    return _wrong("tz", f"the broker knows no time zone {tz!r:.80}", hint)


def _after_intervals(text: str, stored: datetime, now: datetime) -> datetime | None:
    try:
        seconds = parse_duration(text)
    except BadUnit:
        return None
    if seconds < 1:
        return None
    # The server counts from the full second next to the storing.
    first = (stored + timedelta(seconds=0.5)).replace(microsecond=0)
    passed = max(0, int((now - first).total_seconds() // seconds))
    return first + timedelta(seconds=seconds * (passed + 1))


def _wrong(option: str, fact: str, hint: str) -> BadSchedule:
    return BadSchedule(fact, hint=hint, context={"option": option})
