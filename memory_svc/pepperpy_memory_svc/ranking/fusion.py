"""Two legs of a search put together: how likely each candidate is by its vector and its words.

Only the first `WINDOW` candidates of a leg get points for it. So a score does not depend on how
many candidates were asked for, and pages that ask for more agree with those before them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from pepperpy_memory_svc.stores.rows import Candidates, Scored
from pepperpy_schemas.memory import MinMax, Rrf, SearchRequest

WINDOW: Final = 100
FOREIGN: Final = 0.3
"""Share that words count which a question has in common with an entry in another language: names
and numbers for the most part, and what is spelled alike by chance."""

Parts: TypeAlias = dict[str, float]
"""How a score came about: what is added, and ``…_raw`` for what is not."""

ADDED: Final = ("vector", "words", "feedback", "neighbours", "links", "recency", "importance")
"""The parts that are added."""


def head(candidates: Candidates) -> set[str]:
    """Returns the ids of the candidates that get points for their place in a leg, or could.

    They are the same however many candidates were asked for.
    """
    legs = (candidates.vector, candidates.words)
    return {scored.id for leg in legs for scored in leg[:WINDOW]}


def fused(candidates: Candidates, request: SearchRequest, lang: str = "") -> dict[str, Parts]:
    """Returns the parts of every candidate's score, by id.

    A search of vectors alone scores by the cosine itself, one of words alone by BM25 as a share of
    the best; a hybrid one by its fusion. A leg that does not have a candidate gives it nothing.

    Args:
        candidates: The candidates.
        request: How they are put together.
        lang: The question's language, where it is known: in a hybrid search what its words have in
            common with those of another language counts less.
    """
    parts: dict[str, Parts] = {id_: {} for id_ in candidates.known}
    first = head(candidates)
    vector, words = candidates.vector, candidates.words
    _add_leg("vector", parts, vector, _vector_points(vector, request), first)
    _add_leg("words", parts, words, _word_points(words, request), first)
    if lang and request.mode == "hybrid":
        _lessen_foreign(parts, candidates, lang)
    return parts


def _add_leg(
    name: str,
    parts: Mapping[str, Parts],
    leg: Sequence[Scored],
    points: Sequence[float],
    first: Collection[str],
) -> None:
    for place, (scored, point) in enumerate(zip(leg, points, strict=True)):
        # What it has behind the window, where it has no points, only deep pages know.
        if place < WINDOW or scored.id not in first:
            each = parts[scored.id]
            each[name], each[f"{name}_raw"] = point, scored.score


def _lessen_foreign(parts: Mapping[str, Parts], candidates: Candidates, lang: str) -> None:
    for scored in candidates.words:
        theirs = candidates.known[scored.id].lang
        each = parts[scored.id]
        if theirs and theirs != lang and "words" in each:
            each["words"] *= FOREIGN


def score(parts: Mapping[str, float]) -> float:
    """Returns the score that parts add up to."""
    # A loop and no generator: it is asked of hundreds of candidates in every search.
    total = 0.0
    for name in ADDED:
        if name in parts:
            total += parts[name]
    return total


def _vector_points(found: Sequence[Scored], request: SearchRequest) -> list[float]:
    if request.mode == "semantic":
        return [scored.score for scored in found]
    return _weighted(found, request.fusion, request.fusion.weight)


def _word_points(found: Sequence[Scored], request: SearchRequest) -> list[float]:
    if request.mode == "text":
        best = max((scored.score for scored in found), default=0.0)
        return [scored.score / best if best > 0 else 0.0 for scored in found]
    return _weighted(found, request.fusion, 1 - request.fusion.weight)


def _weighted(found: Sequence[Scored], fusion: MinMax | Rrf, weight: float) -> list[float]:
    scores = [scored.score for scored in found]
    points = _min_max(scores) if isinstance(fusion, MinMax) else _rrf(scores, fusion.k)
    return [weight * point for point in points]


def _min_max(scores: Sequence[float]) -> Iterable[float]:
    """From 0, the last of the window, to 1, the first."""
    window = scores[:WINDOW]
    if not window:
        return []
    low, span = min(window), max(window) - min(window)
    if not span:
        return [float(place < WINDOW) for place in range(len(scores))]
    # What lies behind the window is no better than its last.
    return [max(0.0, (each - low) / span) for each in scores]


def _rrf(scores: Sequence[float], k: float) -> Iterable[float]:
    """1 / (k + rank), scaled so that the first of a leg has 1: the bonuses are of that size."""
    return [(k + 1) / (k + place + 1) if place < WINDOW else 0.0 for place in range(len(scores))]
