"""Giving each part of a set an event of its own, when one event can be several of the parts."""

from collections.abc import Sequence
from heapq import nlargest


def assign(stages: Sequence[Sequence[int]], newest: int, parts: Sequence[int]) -> list[int] | None:
    """Returns the latest events that make a full set with the newest one; None without a set.

    Events are taken from the latest to the earliest, each one that some assignment still has room
    for: what can be assigned together is a matroid, so this finds the latest set there is.

    Args:
        stages: For each part, the numbers of the events that it can be, in order.
        newest: The number of the event that must be part of the set.
        parts: The parts that it can be.
    """
    wanted = len(stages)
    able = {newest: list(parts)}
    for part, numbers in enumerate(stages):
        for number in numbers[-wanted:]:  # of one part a set needs no more
            able.setdefault(number, []).append(part)
    filled: dict[int, int] = {}
    for number in nlargest(len(able), able):
        _place(number, able, filled, set())
        if len(filled) == wanted:
            return sorted(set(filled.values()) - {newest})
    return None


def _place(number: int, able: dict[int, list[int]], filled: dict[int, int], seen: set[int]) -> bool:
    """Gives an event a part, moving others to another part where that makes room."""
    for part in able[number]:
        if part in seen:
            continue
        seen.add(part)
        if part not in filled or _place(filled[part], able, filled, seen):
            filled[part] = number
            return True
    return False
