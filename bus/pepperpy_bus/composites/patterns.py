"""Patterns of events as tokens: what fits them, and the fewest subjects that cover several."""

from collections.abc import Iterable
from itertools import combinations

from pepperpy_bus.events import event_subjects

LEVELS = 4
"""Entity, verb, scope, id."""

Tokens = tuple[str, ...]


def pattern_tokens(pattern: str) -> Tokens:
    """Returns entity, verb, scope and id of a pattern, ``*`` for each that it leaves open.

    Raises:
        BadName: A token of the pattern is not valid.
    """
    event_subjects("x", pattern)
    given = tuple(pattern.removesuffix(">").rstrip(".").split(".")) if pattern.strip(">") else ()
    return given + ("*",) * (LEVELS - len(given))


def fits(pattern: Tokens, tokens: Tokens) -> bool:
    """Whether an event with these tokens is one of the pattern's."""
    return all(one in ("*", other) for one, other in zip(pattern, tokens, strict=True))


def covering(patterns: Iterable[Tokens]) -> list[Tokens]:
    """Returns patterns that cover the given ones and do not overlap.

    The server refuses a consumer whose filters overlap. What overlaps is replaced by what both
    have in common; events that come with it unasked are left to the one who asks again.
    """
    found = list(dict.fromkeys(patterns))
    while pair := next((two for two in combinations(found, 2) if _overlap(*two)), None):
        common = tuple(a if a == b else "*" for a, b in zip(*pair, strict=True))
        found = [one for one in found if one not in pair and one != common] + [common]
    return found


def _overlap(one: Tokens, other: Tokens) -> bool:
    return all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=True))
