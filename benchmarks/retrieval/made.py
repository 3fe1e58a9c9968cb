"""Entries that are made up, as many as wanted: English words, some often and most seldom.

The words are those of this project's own documentation in the order of how often they are there,
drawn by Zipf's law as Mandelbrot has it: with a share of 1 / (rank + 2.7). Vectors lie in clusters,
as those of texts about the same things do; a question is an entry's vector with some noise, and
some of its words. Everything follows from the number of the entry, so the first thousand of ten
thousand are the same as the first of a million.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepperpy_schemas.memory import NewEntry

DIMS: Final = 384
WORDS: Final = 40
"""Words of an entry."""
TAGS: Final = 100
"""Each entry has one of so many tags: a condition on one leaves one of a hundred."""
TURNS: Final = 20
"""Entries of a conversation."""
_ASKED: Final = 6
_CLUSTERS: Final = 1000
_SPREAD: Final = 1.2
"""Length of what an entry's vector has beside that of its cluster."""
_NOISE: Final = 0.7
_BLOCK: Final = 1000
_SEED: Final = 5
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"

Floats = NDArray[np.float32]


def texts(start: int, stop: int) -> Iterator[str]:
    """Yields the texts of entries by number."""
    words, shares = _vocabulary()
    for block in range(start // _BLOCK, -(-stop // _BLOCK)):
        drawn = np.random.default_rng([_SEED, block]).choice(
            len(words), size=(_BLOCK, WORDS), p=shares
        )
        for place, row in enumerate(drawn, block * _BLOCK):
            if start <= place < stop:
                yield " ".join(words[each] for each in row)


def vectors(start: int, stop: int) -> Floats:
    """Returns the vectors of entries by number, one per row, of length 1."""
    made = []
    for block in range(start // _BLOCK, -(-stop // _BLOCK)):
        rng = np.random.default_rng([_SEED + 1, block])
        own = _directions(rng, _BLOCK)
        made.append(_unit(_centres()[rng.integers(_CLUSTERS, size=_BLOCK)] + _SPREAD * own))
    first = start // _BLOCK * _BLOCK
    return np.concatenate(made)[start - first : stop - first]


def entries(start: int, stop: int) -> Iterator[NewEntry]:
    """Yields entries by number, as they are put: twenty make a conversation."""
    for number, text in enumerate(texts(start, stop), start):
        yield NewEntry(
            id=entry_id(number),
            text=text,
            lang="en",
            session=f"s{number // TURNS}",
            importance=number % 10 / 10,
            metadata={"tag": number % TAGS},
            at=_BEGIN + timedelta(minutes=number),
        )


def entry_id(number: int) -> str:
    """Returns the id of an entry."""
    return f"e{number:07d}"


def questions(size: int, count: int) -> list[tuple[str, Floats]]:
    """Returns questions with their vectors, about entries spread over all there are.

    Args:
        size: How many entries there are.
        count: How many questions.
    """
    rng = np.random.default_rng(_SEED + 2)
    asked = []
    for number in sorted(rng.choice(size, size=count, replace=count > size).tolist()):
        words = next(texts(number, number + 1)).split()
        text = " ".join(words[each] for each in sorted(rng.choice(WORDS, _ASKED, replace=False)))
        near = vectors(number, number + 1) + _NOISE * _directions(rng, 1)
        asked.append((text, _unit(near)[0]))
    return [asked[each] for each in rng.permutation(len(asked))]


@cache
def _vocabulary() -> tuple[list[str], NDArray[np.float64]]:
    said = "\n".join(page.read_text("utf-8") for page in sorted(_DOCS.rglob("*.md")))
    counted = Counter(re.findall(r"[a-z]{2,}", said.lower()))
    words = sorted(counted, key=lambda word: (-counted[word], word))
    shares = 1 / (np.arange(1, len(words) + 1) + 2.7)
    return words, shares / shares.sum()


@cache
def _centres() -> Floats:
    return _directions(np.random.default_rng(_SEED), _CLUSTERS)


def _directions(rng: np.random.Generator, count: int) -> Floats:
    return _unit(rng.standard_normal((count, DIMS), dtype=np.float32))


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
