"""What a composite event is made of, checked when it is declared."""

import hashlib
from collections.abc import Sequence
from typing import Literal, TypedDict

import msgspec

from pepperpy_bus.composites.patterns import pattern_tokens
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_bus.where import compile_field, compile_where
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import check_token

MAX_PARTS = 16
"""Patterns of a sequence or set."""
MAX_HELD = 3000
"""Events that wait for the rest of their match: so many fit into one message."""

PartSpec = str | tuple[str, str]
"""A pattern, or a pattern with a condition: ``("payment.failed.*", "data.amount > 100")``."""
Kind = Literal["sequence", "all_of", "repeated", "missing"]


class Ways(TypedDict, total=False):
    """What may be said of a composite event besides its name and window; see `declare`."""

    sequence: Sequence[PartSpec]
    all_of: Sequence[PartSpec]
    repeated: PartSpec
    times: int
    after: PartSpec
    missing: PartSpec
    by: str
    limit: int


class Part(msgspec.Struct, frozen=True):
    """One part of a composite event.

    Attributes:
        pattern: Entity, verb, scope and id from the left: ``task.failed.*``.
        where: A condition on the event's fields, or empty.
    """

    pattern: str
    where: str = ""


class Composite(msgspec.Struct, frozen=True, kw_only=True):
    """Events that together raise another one; `declare` makes and checks it.

    Attributes:
        name: Entity and verb of the event that is raised.
        kind: ``sequence``: all parts in their order. ``all_of``: all parts in any order.
            ``repeated``: one part several times. ``missing``: the first part without the second
            after it.
        parts: The patterns.
        within: Seconds from the first to the last of the events.
        times: How often the part of ``repeated`` must come.
        by: The field whose value must be equal in all of the events; empty for none.
        limit: Events held for unfinished matches; above it the oldest are dropped.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    within: float
    times: int = 1
    by: str = ""
    limit: int = MAX_HELD

    @property
    def entity(self) -> str:
        """The first token of the name."""
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        """The second token of the name."""
        return self.name.partition(".")[2]

    def fingerprint(self) -> str:
        """Returns what changes with every change of the declaration."""
        return hashlib.sha256(encode(self)).hexdigest()[:32]


def declare(
    name: str,
    *,
    within: Duration,
    sequence: Sequence[PartSpec] = (),
    all_of: Sequence[PartSpec] = (),
    repeated: PartSpec = "",
    times: int = 0,
    after: PartSpec = "",
    missing: PartSpec = "",
    by: str = "",
    limit: int = MAX_HELD,
) -> Composite:
    """Returns a composite event.

    Exactly one of ``sequence``, ``all_of``, ``repeated`` with ``times``, and ``after`` with
    ``missing`` says what raises it. A part is a pattern or a pattern with a condition.

    Args:
        name: Entity and verb of the raised event: ``checkout.stuck``.
        within: Time from the first to the last of the events, by the server's clock: ``5m``.
        sequence: Parts that come in this order; other events may come between them.
        all_of: Parts that come in any order, each as an event of its own.
        repeated: A part that comes ``times`` times.
        times: How often, 2 or more.
        after: A part that is not followed by ``missing``.
        missing: The part that does not come in time.
        by: The field whose value is equal in all of them: ``data.customer``, ``correlation``.
        limit: Events held for unfinished matches; above it the oldest are dropped and counted.

    Raises:
        BadConfig: The declaration contradicts itself; the message says where.
        BadName: The name or a pattern is not valid.
        BadPayload: A condition or field cannot be read.
    """
    for token in _two_tokens(name):
        check_token(token, what="event name")
    kind, specs = _kind(
        name, sequence=sequence, all_of=all_of, repeated=repeated, after=after, missing=missing
    )
    if (kind == "repeated") != (times != 0):
        raise _wrong(name, f"times is {times}", "give times=N together with repeated=…")
    if kind == "repeated" and not 2 <= times <= limit:
        raise _wrong(name, f"times is {times}", f"use 2 to {limit}")
    if not 1 <= limit <= MAX_HELD:
        raise _wrong(name, f"limit is {limit}", f"use 1 to {MAX_HELD}")
    seconds = parse_duration(within)
    if seconds == 0:
        raise _wrong(name, "within is 0", "give the longest time between the events")
    if by:
        compile_field(by)
    return Composite(
        name=name,
        kind=kind,
        parts=tuple(_part(one) for one in specs),
        within=seconds,
        times=times or 1,
        by=by,
        limit=limit,
    )


def _two_tokens(name: str) -> tuple[str, str]:
    entity, dot, verb = name.partition(".")
    if not dot:
        raise _wrong(name, "its name is not entity.verb", "for example checkout.stuck")
    return entity, verb


def _kind(
    name: str,
    *,
    sequence: Sequence[PartSpec],
    all_of: Sequence[PartSpec],
    repeated: PartSpec,
    after: PartSpec,
    missing: PartSpec,
) -> tuple[Kind, Sequence[PartSpec]]:
    if bool(after) != bool(missing):
        raise _wrong(name, "after and missing belong together", "give both")
    kinds: dict[Kind, Sequence[PartSpec]] = {
        "sequence": sequence,
        "all_of": all_of,
        "repeated": [repeated] if repeated else [],
        "missing": [after, missing] if after else [],
    }
    given = [(kind, specs) for kind, specs in kinds.items() if specs]
    if len(given) != 1:
        said = " and ".join(kind for kind, _ in given) or "none"
        raise _wrong(
            name,
            f"it has {said} of the ways to be raised",
            "give one of sequence, all_of, repeated with times, after with missing",
        )
    kind, specs = given[0]
    if isinstance(specs, str) or (kind in ("sequence", "all_of") and len(specs) < 2):
        raise _wrong(name, f"{kind} has one part", "give a list of two or more")
    if len(specs) > MAX_PARTS:
        raise _wrong(name, f"{kind} has {len(specs)} parts", f"give {MAX_PARTS} at most")
    return kind, specs


def _part(spec: PartSpec) -> Part:
    part = Part(spec) if isinstance(spec, str) else Part(*spec)
    pattern_tokens(part.pattern)
    if part.where:
        compile_where(part.where)
    return part


def _wrong(name: str, fact: str, hint: str) -> BadConfig:
    return BadConfig(f"composite event {name!r:.80}: {fact}", hint=hint)
