"""The numbers that sub-goals are measured by: read once, and continued at the next look."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pepperpy_bus.events import Heard
from pepperpy_bus.where import BadWhere, compile_field, compile_where
from pepperpy_schemas.errors import BadName, BadProblem
from pepperpy_schemas.goal_plans import Source
from pepperpy_schemas.messages import Instant

if TYPE_CHECKING:
    from pepperpy_bus.client import Client

_OVERLAP: Final = timedelta(seconds=5)
"""How far a look goes back behind the one before: the clocks of both may differ by less."""


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number so far.

    Attributes:
        value: The number; None before the first.
        events: How many events were counted.
        unusable: How many had no number in the field.
        seq: The last event that was looked at, by its place in the stream.
        changed: When the number last changed.
    """

    value: float | None = None
    events: int = 0
    unusable: int = 0
    seq: int = 0
    changed: Instant | None = None


class Look(msgspec.Struct, frozen=True):
    """All numbers at a moment.

    Attributes:
        at: The moment, by the server's clock.
        tallies: The numbers by the names of their sources.
    """

    at: Instant
    tallies: dict[str, Tally] = {}


def check_source(name: str, source: Source) -> None:
    """Checks what a sub-goal is measured by.

    Raises:
        BadProblem: ``context.field`` names the place.
    """
    from pepperpy_bus.composites.patterns import pattern_tokens

    where = f"sources.{name}"
    if bool(source.events) == bool(source.figure):
        raise _bad(where, "it is measured by events or by a figure, one of them")
    if source.figure and (source.where or source.take != "count" or source.field):
        raise _bad(where, "a figure has no where, take or field: it is one number")
    if source.events and (source.take == "count") == bool(source.field):
        raise _bad(f"{where}.field", "sum and last have a field, count has none")
    for part, text, read in (
        ("events", source.events, pattern_tokens),
        ("where", source.where, compile_where),
        ("field", source.field, compile_field),
        ("figure", source.figure, compile_field),
    ):
        try:
            if text:
                read(text)
        except (BadWhere, BadName) as error:
            raise _bad(f"{where}.{part}", str(error), error.hint) from None


async def look(
    client: "Client",
    sources: Mapping[str, Source],
    before: Look,
    at: datetime,
    *,
    since: datetime | None = None,
) -> Look:
    """Returns the numbers now, from those of the look before.

    Args:
        client: Whom to ask.
        sources: What to measure.
        before: The look before.
        at: The moment, by the server's clock.
        since: The first look counts events from this moment on.

    Raises:
        Unavailable: There is no monitor to ask for a figure.
    """
    start = since or before.at - _OVERLAP
    tallies: dict[str, Tally] = {}
    overview: Mapping[str, Any] | None = None
    for name, source in sources.items():
        tally = before.tallies.get(name, Tally())
        if source.events:
            tallies[name] = await _counted(client, source, tally, start)
            continue
        if overview is None:
            overview = msgspec.to_builtins(await client.monitor.overview())
        tallies[name] = _figure(source, tally, overview, at)
    return Look(at, tallies)


async def _counted(client: "Client", source: Source, tally: Tally, start: datetime) -> Tally:
    read = compile_field(source.field) if source.field else None
    pattern = source.events
    events = client.events(pattern, where=source.where, since=start, until_end=True)
    async for event in events:
        if event.seq > tally.seq:  # those of the overlap were counted
            tally = _with(source, tally, event, read)
    return tally


def _with(
    source: Source,
    tally: Tally,
    event: Heard,
    read: Callable[[Mapping[str, Any]], Any] | None,
) -> Tally:
    number = 1.0 if read is None else _number(read(event.fields()))
    if number is None:
        return msgspec.structs.replace(tally, unusable=tally.unusable + 1, seq=event.seq)
    value = number if source.take == "last" else (tally.value or 0.0) + number
    if not math.isfinite(value):
        return msgspec.structs.replace(tally, unusable=tally.unusable + 1, seq=event.seq)
    changed = tally.changed if value == tally.value else event.event.ts
    return Tally(value, tally.events + 1, tally.unusable, event.seq, changed)


def _figure(source: Source, tally: Tally, overview: Mapping[str, Any], at: datetime) -> Tally:
    number = _number(compile_field(source.figure)(overview))
    if number is None:
        return msgspec.structs.replace(tally, unusable=tally.unusable + 1)
    changed = tally.changed if number == tally.value else at
    return msgspec.structs.replace(tally, value=number, changed=changed)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _bad(where: str, fact: str, hint: str = "") -> BadProblem:
    return BadProblem(f"{where}: {fact}", hint=hint, context={"field": where})
