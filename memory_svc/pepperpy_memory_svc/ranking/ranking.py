"""The order of what was found, and a page of it.

First come those that get points for anything: the head of both legs, and what stands beside them or
is linked to them. They are the same on every page. Behind them come the others, as their legs had
them.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_memory_svc.ranking.fusion import WINDOW, Parts, score
from pepperpy_memory_svc.stores.rows import MAX_LEG, Brief, Known
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import Recency, SearchRequest

_LOWEST: Final = float("-inf")


class Ranked(msgspec.Struct, frozen=True):
    """An entry in its place.

    Attributes:
        entry: As much of the entry as was read.
        score: What its parts add up to.
        parts: How its score came about.
    """

    entry: Known
    score: float
    parts: Parts


def check_page(request: SearchRequest) -> None:
    """Refuses a page that ends behind what is ranked at all.

    Raises:
        BadPayload: It does; an empty page would say that there is nothing.
    """
    end = request.offset + request.limit
    if end > MAX_LEG:
        raise BadPayload(
            f"$.offset: the page ends at hit {end}, and only the first {MAX_LEG} hits are ranked",
            hint="narrow the search with a condition, or export the entries",
            context={"path": "$.offset", "limit": MAX_LEG},
        )


def pool(request: SearchRequest) -> int:
    """Returns how many candidates of each leg a page needs; the same for all of the first pages."""
    # Behind the window nothing gets points, so the first pages need no more.
    size = WINDOW
    while size < min(MAX_LEG, 2 * (request.offset + request.limit)):
        size *= 2
    return min(size, MAX_LEG)


def add_bonuses(
    parts: Mapping[str, Parts], entries: Mapping[str, Known], request: SearchRequest, now: datetime
) -> None:
    """Adds what an entry gets for itself: that it happened lately, and that it is important.

    Args:
        parts: The parts of the scores of those that come first.
        entries: The entries, by id.
        request: What is added.
        now: The time from which their age counts.
    """
    for id_, each in parts.items():
        entry = entries[id_]
        if request.recency is not None:
            each["recency"] = _recency(request.recency, entry, now)
        if request.importance:
            each["importance"] = request.importance * entry.importance


def ranked(
    parts: Mapping[str, Parts],
    entries: Mapping[str, Known],
    min_score: float | None,
    first: Collection[str] = (),
) -> list[Ranked]:
    """Returns entries in their order: by score, then as each leg had them, then by id.

    Args:
        parts: The parts of every entry's score.
        entries: The entries, by id.
        min_score: Those with less are left out.
        first: The ids of those that come before all others.
    """
    # Tuples and one sort without a key: hundreds are ranked in every search.
    order: list[tuple[bool, float, float, float, str]] = []
    for id_, each in parts.items():
        points = score(each)
        if min_score is None or points >= min_score:
            vector, words = each.get("vector_raw", _LOWEST), each.get("words_raw", _LOWEST)
            order.append((id_ not in first, -points, -vector, -words, id_))
    order.sort()
    return [Ranked(entries[id_], -points, parts[id_]) for _, points, _, _, id_ in order]


def page(found: list[Ranked], request: SearchRequest) -> tuple[list[Ranked], bool]:
    """Returns the page that was asked for, and whether there are, or may be, more behind it."""
    end = request.offset + request.limit
    # Behind the last that is ranked there may be more: who asks for them is told so.
    more = len(found) > end or len(found) >= MAX_LEG
    return found[request.offset : end], more


def _recency(rule: Recency, entry: Known, now: datetime) -> float:
    at = entry.at if isinstance(entry, Brief) else entry.at.timestamp()
    age = max(0.0, now.timestamp() - at)
    return float(rule.weight * 0.5 ** (age / rule.half_life))
