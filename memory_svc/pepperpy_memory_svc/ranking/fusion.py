"""Two legs of a search put together: how likely each candidate is by its vector and its words.

Only the first `WINDOW` candidates of a leg get points for it. So a score does not depend on how
many candidates were asked for, and pages that ask for more agree with those before them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from pepperpy_memory_svc.stores.rows import Candidates, Scored
from pepperpy_schemas.memory import MinMax, Rrf, SearchRequest

WINDOW: Final = 100

Parts: TypeAlias = dict[str, float]
"""How a score came about: what is added, and ``…_raw`` for what is not."""


def fused(candidates: Candidates, request: SearchRequest) -> dict[str, Parts]:
    """Returns the parts of every candidate's score, by id.

    A search of vectors alone scores by the cosine itself, one of words alone by BM25 as a share of
    the best; a hybrid one by its fusion. A leg that does not have a candidate gives it nothing.
    """
    parts: dict[str, Parts] = {id_: {} for id_ in candidates.known}
    for leg, found, points in (
        ("vector", candidates.vector, _vector_points(candidates.vector, request)),
        ("words", candidates.words, _word_points(candidates.words, request)),
    ):
        for scored, point in zip(found, points, strict=True):
            parts[scored.id][leg] = point
            parts[scored.id][f"{leg}_raw"] = scored.score
    return parts


def score(parts: Mapping[str, float]) -> float:
    """Returns the score that parts add up to."""
    return sum(value for name, value in parts.items() if not name.endswith("_raw"))


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
