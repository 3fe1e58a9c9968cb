"""Which events make a match: pure, so that the same events give the same matches anywhere.

Time is what the caller says, in nanoseconds; it never runs backwards. An event is part of one
match at most. A match is found with the event that completes it, from the latest events that do.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from pepperpy_bus.composites.assignment import assign
from pepperpy_bus.composites.composite import Composite, Part
from pepperpy_bus.composites.patterns import fits, pattern_tokens
from pepperpy_bus.events import Heard
from pepperpy_bus.where import compile_field, compile_where
from pepperpy_schemas.codec import encode
from pepperpy_schemas.composites import HeldEvent, Unfinished

_SECOND = 1_000_000_000
_LONGEST = 66


class Match(msgspec.Struct, frozen=True):
    """Events that raise the composite one.

    Attributes:
        events: The events, in the order of their time.
        ended: When it was complete, nanoseconds: the time of the last event, or the end of the
            window in which one was missing.
    """

    events: tuple[HeldEvent, ...]
    ended: int


Stages = list[list[int]]
"""For each part the numbers of the held events that it can be, in order."""


class Matcher:
    """Finds the matches of one composite event.

    Args:
        composite: What to look for.
        unfinished: Where an earlier matcher stood.
    """

    def __init__(self, composite: Composite, unfinished: Unfinished | None = None) -> None:
        self._composite = composite
        self._tests = [_test(part) for part in composite.parts]
        self._value = compile_field(composite.by) if composite.by else None
        self._within = round(composite.within * _SECOND)
        known = unfinished or Unfinished()
        self._n, self._now, self.dropped = known.n, known.now, known.dropped
        self._held: dict[int, HeldEvent] = {}
        self._stages: dict[str, Stages] = {}
        for one in known.held:
            self._keep(one)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def due(self) -> int | None:
        """When an event will be missing unless it comes before; None when none is waited for."""
        if self._composite.kind != "missing" or not self._held:
            return None
        return self._oldest().time + self._within

    def unfinished(self) -> Unfinished:
        """Returns what it knows now."""
        return Unfinished(self._n, self._now, self.dropped, list(self._held.values()))

    def advance(self, time: int) -> list[Match]:
        """Tells that all events before this time have been fed; returns what that completes."""
        self._now = max(self._now, time)
        over = list(self._take_expired())
        if self._composite.kind != "missing":
            return []
        return [Match((one,), one.time + self._within) for one in over]

    def feed(self, event: Heard, time: int) -> list[Match]:
        """Takes the next event, stored by the server at this time; returns what it completes.

        An event of the composite's own name is never a part of it.
        """
        matches = self.advance(time)
        if event.name == self._composite.name:
            return matches
        fields = event.fields()
        tokens = (event.entity, event.verb, event.scope, event.id)
        parts = tuple(n for n, test in enumerate(self._tests) if test(tokens, fields))
        key = self._key(fields) if parts else None
        if key is None:
            return matches
        self._n += 1
        one = HeldEvent(
            self._n,
            self._now,
            _short(event.event.id),
            _short(event.event.correlation),
            key,
            list(parts),
        )
        found = self._complete(one)
        return matches if found is None else [*matches, found]

    # --- the four kinds -------------------------------------------------------------------------

    def _complete(self, one: HeldEvent) -> Match | None:
        stages = self._stages.get(one.key) or [[] for _ in self._tests]
        others: list[int] | None = None
        waits: Sequence[int] = one.parts
        match self._composite.kind:
            case "sequence":
                others, waits = _chain(stages, one), _useful(stages, one)
            case "all_of":
                others = assign(stages, one.n, one.parts)
            case "repeated":
                needed = self._composite.times - 1
                others = stages[0][-needed:] if len(stages[0]) >= needed else None
            case "missing":
                if 1 in one.parts:
                    self._take(*stages[0])
                waits = [0] if 0 in one.parts else []
        if others is not None:
            return Match((*self._take(*others), one), one.time)
        if waits:
            self._keep(msgspec.structs.replace(one, parts=list(waits)))
            self._drop_above_limit()
        return None

    # --- what is held ---------------------------------------------------------------------------

    def _keep(self, one: HeldEvent) -> None:
        self._held[one.n] = one
        stages = self._stages.setdefault(one.key, [[] for _ in self._tests])
        for part in one.parts:
            stages[part].append(one.n)

    def _take(self, *numbers: int) -> list[HeldEvent]:
        taken = [self._held.pop(n) for n in sorted(numbers)]
        for one in taken:
            stages = self._stages[one.key]
            for part in one.parts:
                del stages[part][bisect_left(stages[part], one.n)]
            if not any(stages):
                del self._stages[one.key]
        return taken

    def _oldest(self) -> HeldEvent:
        return next(iter(self._held.values()))

    def _take_expired(self) -> Iterator[HeldEvent]:
        while self._held and self._oldest().time + self._within < self._now:
            yield from self._take(self._oldest().n)

    def _drop_above_limit(self) -> None:
        while len(self._held) > self._composite.limit:
            self._take(self._oldest().n)
            self.dropped += 1

    def _key(self, fields: dict[str, Any]) -> str | None:
        """The value to correlate by, as JSON; None when the event has none."""
        if self._value is None:
            return "null"
        value = self._value(fields)
        if value is None or value == "":
            return None
        return encode(_short(value)).decode()


def _short(value: Any) -> Any:
    """The value, or a hash of it when it is longer as JSON than may be held."""
    text = encode(value)
    if len(text) <= _LONGEST:
        return value
    return f"sha256-{hashlib.sha256(text).hexdigest()[:40]}"


def _chain(stages: Stages, one: HeldEvent) -> list[int] | None:
    """The latest events that come before this one as the parts before the last; else None."""
    if len(stages) - 1 not in one.parts:
        return None
    chain: list[int] = []
    before = one.n
    for stage in reversed(stages[:-1]):
        at = bisect_left(stage, before) - 1
        if at < 0:
            return None
        before = stage[at]
        chain.append(before)
    return chain


def _useful(stages: Stages, one: HeldEvent) -> list[int]:
    """The parts before the last for which an event of the part before is there."""
    early = (part for part in one.parts if part < len(stages) - 1)
    return [part for part in early if part == 0 or stages[part - 1]]


def _test(part: Part) -> Callable[[tuple[str, ...], dict[str, Any]], bool]:
    pattern = pattern_tokens(part.pattern)
    where = compile_where(part.where) if part.where else None
    return lambda tokens, fields: fits(pattern, tokens) and (where is None or where(fields))
