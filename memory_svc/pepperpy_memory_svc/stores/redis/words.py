"""BM25 over the postings that Redis keeps, as `bm25` has it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepperpy_memory_svc.stores.bm25 import K1, B, rarity, telling
from pepperpy_memory_svc.stores.redis.ranked import Numbers, Ranked, Scores

_POSTING: Final = np.dtype([("nr", "<u8"), ("often", "<u4"), ("length", "<u4")])


def score(
    postings: Sequence[bytes], often: Sequence[int], docs: int, length: int, most: int = 0
) -> Ranked:
    """Returns the entries that have one of some lexemes, by BM25.

    Args:
        postings: Of each lexeme who has it, how often, and how long that one is.
        often: How often each lexeme is in the question.
        docs: Entries of the namespace that have been analysed.
        length: Lexemes of all of them.
        most: How many lexemes are looked for, see `telling`.
    """
    average = length / max(1, docs)
    records = [_records(each) for each in postings]
    holders = {place: len(each) for place, each in enumerate(records)}
    looked_for = telling(dict(enumerate(often)), holders, docs, most)
    parts = [_scores(records[place], docs, average) for place in looked_for]
    if not parts:
        return Ranked.of([], [])
    numbers, places = np.unique(np.concatenate([nrs for nrs, _ in parts]), return_inverse=True)
    return Ranked(
        numbers, np.bincount(places, np.concatenate([each for _, each in parts])).astype(np.float64)
    )


def _records(postings: bytes) -> NDArray[np.void]:
    records: NDArray[np.void] = np.frombuffer(postings, _POSTING)
    # The first one, and what was taken out, are nobody's.
    return records[records["often"] > 0]


def _scores(records: NDArray[np.void], docs: int, average: float) -> tuple[Numbers, Scores]:
    rare = rarity(docs, len(records))
    often = records["often"].astype(np.float64)
    length = 1 - B + B * records["length"] / average
    return records["nr"], rare * often * (K1 + 1) / (often + K1 * length)
