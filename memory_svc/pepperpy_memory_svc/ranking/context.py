"""What stands beside a hit, and what it links to."""

from collections.abc import Iterable, Mapping
from typing import Final

from pepperpy_memory_svc.ranking.fusion import Parts, score
from pepperpy_memory_svc.stores.rows import Brief, Known, Turn
from pepperpy_schemas.memory import Neighbours

MOST: Final = 200
"""Candidates that give something to others: those of both windows."""


def givers(parts: Mapping[str, Parts]) -> dict[str, float]:
    """Returns the scores of those candidates that give something to others, the best ones."""
    scores = ((score(each), id_) for id_, each in parts.items())
    best = sorted(((-points, id_) for points, id_ in scores if points > 0))[:MOST]
    return {id_: -points for points, id_ in best}


def turns(given: Iterable[str], entries: Mapping[str, Known]) -> list[Turn]:
    """Returns the places in conversations at which candidates stand."""
    return [
        Turn(entries[id_].session, entries[id_].seq)
        for id_ in given
        if entries[id_].session and entries[id_].seq
    ]


def links(given: Iterable[str], entries: Mapping[str, Known]) -> list[str]:
    """Returns the ids that candidates link to, those of the best first."""
    return list(dict.fromkeys(to for id_ in given for to in _linked(entries[id_])))


def add_neighbours(
    parts: Mapping[str, Parts],
    given: Mapping[str, float],
    entries: Mapping[str, Known],
    rule: Neighbours,
) -> None:
    """Adds to every entry a share of the scores of those beside it in its conversation.

    Args:
        parts: The parts of every entry's score.
        given: The scores of those that give something.
        entries: The entries, by id.
        rule: How far it goes, and which share.
    """
    places: dict[tuple[str, int], float] = {}
    for turn, points in _places(given, entries):
        places[turn] = places.get(turn, 0.0) + points
    for id_, each in parts.items():
        entry = entries[id_]
        if not entry.session or not entry.seq:
            continue
        beside = range(entry.seq - rule.before, entry.seq + rule.after + 1)
        points = sum(places.get((entry.session, seq), 0.0) for seq in beside if seq != entry.seq)
        if points:
            each["neighbours"] = rule.weight * points


def add_links(
    parts: Mapping[str, Parts],
    given: Mapping[str, float],
    entries: Mapping[str, Known],
    share: float,
) -> None:
    """Adds to every entry a share of the score of the best one that links to it.

    One step only, from scores without it: links that go in circles change nothing.
    """
    best: dict[str, float] = {}
    for id_, points in given.items():
        for to in _linked(entries[id_]):
            if to != id_:
                best[to] = max(best.get(to, 0.0), points)
    for id_, points in best.items():
        if id_ in parts:
            parts[id_]["links"] = share * points


def _linked(entry: Known) -> Iterable[str]:
    return entry.links if isinstance(entry, Brief) else [link.to for link in entry.links]


def _places(
    given: Mapping[str, float], entries: Mapping[str, Known]
) -> Iterable[tuple[tuple[str, int], float]]:
    for id_, points in given.items():
        entry = entries[id_]
        if entry.session and entry.seq:
            yield (entry.session, entry.seq), points
