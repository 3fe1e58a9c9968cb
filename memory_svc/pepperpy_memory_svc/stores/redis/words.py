"""BM25 over the postings that Redis keeps, as `bm25` has it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepperpy_memory_svc.stores.bm25 import K1, B
from pepperpy_memory_svc.stores.redis.ranked import Numbers, Ranked, Scores

_POSTING: Final = np.dtype([("nr", "<u8"), ("often", "<u4"), ("length", "<u4")])


def score(postings: Sequence[bytes], docs: int, length: int) -> Ranked:
    """Returns the entries that have one of some lexemes, by BM25.

    Args:
        postings: Of each lexeme who has it, how often, and how long that one is.
        docs: Entries of the namespace that have been analysed.
        length: Lexemes of all of them.
    """
    average = length / max(1, docs)
    parts = [_scores(each, docs, average) for each in postings]
    if not parts:
        return Ranked.of([], [])
    numbers, places = np.unique(np.concatenate([nrs for nrs, _ in parts]), return_inverse=True)
    return Ranked(
        numbers, np.bincount(places, np.concatenate([each for _, each in parts])).astype(np.float64)
    )


def _scores(postings: bytes, docs: int, average: float) -> tuple[Numbers, Scores]:
    records: NDArray[np.void] = np.frombuffer(postings, _POSTING)
    # The first one, and what was taken out, are nobody's.
    records = records[records["often"] > 0]
    rare = np.log(1 + (docs - len(records) + 0.5) / (len(records) + 0.5))
    often = records["often"].astype(np.float64)
    length = 1 - B + B * records["length"] / average
    return records["nr"], rare * often * (K1 + 1) / (often + K1 * length)
