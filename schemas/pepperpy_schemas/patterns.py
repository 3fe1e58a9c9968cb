"""Patterns with variables, and what in a list of records fits them: facts, or events over time."""

from typing import Annotated, Any, Final

import msgspec

from pepperpy_schemas.problems import Answer, Problem

PATTERNS: Final = "reason-patterns"
"""The topic of the tasks."""
MAX_RECORDS: Final = 200_000
"""Records of one problem."""

Index = Annotated[int, msgspec.Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record of a match, or one that must not be there.

    Attributes:
        fits: What the record looks like: its fields with their values; others may be there, too. A
            text that begins with ``?`` is a variable (``?user``), which is the same value wherever
            it is; ``?`` alone is any value, and ``??`` begins a text that begins with ``?``.
        where: A condition on its fields: ``amount > 100``; variables are ``vars.user``.
        absent: No such record may be there; with a time, not between its neighbours.
        within: The longest time since the part before: ``5m``.
    """

    fits: dict[str, Any] = {}
    where: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    absent: bool = False
    within: Annotated[str, msgspec.Meta(max_length=32)] = ""


class PatternsProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """Which records fit a pattern of several parts.

    Attributes:
        records: The records: JSON objects.
        find: The parts of the pattern.
        where: A condition on the variables: ``total > limit and user != other``.
        time: The field that says when a record was: seconds, or a time as in RFC 3339. With it the
            parts come one after the other in time; other records may come between.
        within: The longest time from the first part to the last: ``1h``.
        once: Whether a record may be in one match only. A match is then made of the latest records
            that fit, as composite events are.
        most: Most matches.
    """

    records: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_RECORDS)]
    find: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=16)]
    where: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    time: Annotated[str, msgspec.Meta(max_length=256)] = ""
    within: Annotated[str, msgspec.Meta(max_length=32)] = ""
    once: bool = False
    most: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100


class Matched(msgspec.Struct, frozen=True, omit_defaults=True):
    """One match.

    Attributes:
        records: For each part the number of its record, from 0; None for one that is absent.
        values: What the variables stand for.
    """

    records: list[Index | None]
    values: dict[str, Any] = {}


class Matches(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """What fits.

    Attributes:
        matches: The matches, in the order of their records.
        more: Whether there are more than were asked for.
    """

    matches: list[Matched] = []
    more: bool = False
