"""What the best hits say is looked for, too: feedback that nobody had to give.

The best hits of a search are taken for answers. A second search asks for what they have in common:
the mean of their vectors (Rocchio 1971) and the words that they use most (a relevance model:
Lavrenko and Croft 2001). Its scores count as much as those of the first (RM3: Abdul-Jaleel et al.
2004). A hit counts by 1 / rank, so that a wrong one further down does little harm.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from pepperpy_memory_svc.ranking.fusion import Parts, fused, head, score
from pepperpy_memory_svc.stores.rows import Candidates, Lexemes, Vector
from pepperpy_schemas.memory import SearchRequest

WORDS: Final = 20
"""Words of the hits that are looked for."""
SHARE: Final = 0.5
"""Share of the second search in a score."""
_NOWHERE: Final = 1e-6
"""Length of a mean that has no direction."""


def middle(vectors: Sequence[Vector]) -> Vector | None:
    """Returns the mean of vectors, the first counting most, with the length 1.

    Args:
        vectors: Those of the hits that have one, the best first; without any, or where they cancel
            each other out, there is no mean.
    """
    if not vectors:
        return None
    mean = np.average(np.asarray(vectors, np.float64), axis=0, weights=_weights(len(vectors)))
    length = float(np.linalg.norm(mean))
    found: list[float] = (mean / length).tolist() if length > _NOWHERE else []
    return found or None


def frequent(texts: Sequence[Lexemes]) -> list[str]:
    """Returns the words that hits use most for their length, the first hit's counting most.

    Args:
        texts: The words of every hit, the best first.
    """
    shares: dict[str, float] = {}
    for weight, lexemes in zip(_weights(len(texts)), texts, strict=True):
        for lexeme, times in Counter(lexemes).items():
            shares[lexeme] = shares.get(lexeme, 0.0) + weight * times / len(lexemes)
    return sorted(shares, key=lambda each: (-shares[each], each))[:WORDS]


def _weights(hits: int) -> list[float]:
    return [1 / rank for rank in range(1, hits + 1)]


def add_feedback(parts: dict[str, Parts], second: Candidates, request: SearchRequest) -> None:
    """Adds the scores of the second search to those of the first, half and half.

    Args:
        parts: The parts of the scores of those that come first; what only the second search found
            is added to them.
        second: What it found.
        request: How its legs are put together.
    """
    for each in parts.values():
        for name in ("vector", "words"):
            if name in each:
                each[name] *= 1 - SHARE
    again = fused(second, request)
    for id_ in head(second):
        parts.setdefault(id_, {})["feedback"] = SHARE * score(again[id_])
