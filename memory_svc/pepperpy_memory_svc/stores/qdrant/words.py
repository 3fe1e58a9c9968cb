"""Lexemes of entries as sparse vectors, and BM25 over them: Qdrant finds, we score.

A place of the vector is a lexeme of a namespace (a digest), so that namespaces share no list. Its
value is the lexeme's part of BM25 for a text of this length beside texts of a supposed average
length; that is at least the part that it really has while the average is not above the supposed
one. What Qdrant finds is therefore in order of an upper bound, from which the exact order follows:
see `searching`. The fields of an entry's point, with the generation's number:

- ``w``: its lexemes with how often it has each, packed;
- ``x``: the same digests as numbers, which are counted to learn how rare a lexeme is;
- ``l``: how many it has and the supposed average, ``12:14``; counted to learn the true average.
"""

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pepperpy_memory_svc.stores.bm25 import K1, B, rarity, telling
from pepperpy_memory_svc.stores.qdrant.engine import Fields, Sparse
from pepperpy_memory_svc.stores.rows import Lexemes
from pepperpy_memory_svc.stores.values import cut

_PACKED: Final = np.dtype([("lexeme", "<u8"), ("times", "<u4")])
_SHORTEST: Final = 8.0
"""Least average length that is supposed: an empty namespace's first texts may be the shortest."""
_ROOM: Final = 1.1
"""How much longer the average may grow before texts of today are looked at twice."""


class Corpus(msgspec.Struct, frozen=True):
    """What BM25 knows of a namespace.

    Attributes:
        texts: How many there are.
        length: Lexemes of all of them.
        least: The least average length that was supposed of any.
    """

    texts: int = 0
    length: int = 0
    least: float = math.inf

    @property
    def average(self) -> float:
        """Lexemes of a text, on the average."""
        return self.length / max(1, self.texts)

    @property
    def slack(self) -> float:
        """How many times what Qdrant's score says a text's true score may be."""
        return max(1.0, self.average / self.least)


def corpus_of(counts: Mapping[Any, int]) -> Corpus:
    """Returns what the values of ``l`` and how often each is there say."""
    texts = length = 0
    least = math.inf
    for value, number in counts.items():
        own, step = (int(each) for each in str(value).split(":"))
        texts, length = texts + number, length + number * own
        least = min(least, _average(step))
    return Corpus(texts, length, least)


def _step(average: float) -> int:
    return math.ceil(4 * math.log2(max(_SHORTEST, average * _ROOM)))


def _average(step: int) -> float:
    return float(2 ** (step / 4))


def digest(namespace: str, lexeme: str) -> int:
    """Returns the number of a lexeme in a namespace."""
    text = f"{namespace}\0{lexeme}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


class Words(msgspec.Struct, frozen=True):
    """The lexemes of one entry, by their digests."""

    counted: Mapping[int, int]
    length: int

    def fields(self, gen: int, average: float) -> Fields:
        """Returns the fields of a generation.

        Args:
            gen: Its number.
            average: Lexemes of a text in this namespace, about.
        """
        packed = np.array(list(self.counted.items()), _PACKED)
        return {
            f"w{gen}": base64.b64encode(packed.tobytes()).decode(),
            f"x{gen}": list(self.counted),
            f"l{gen}": f"{self.length}:{_step(average)}",
        }

    def vector(self, average: float) -> Sparse | None:
        """Returns its vector; None for no lexemes."""
        supposed = _average(_step(average))
        fixed = K1 * (1 - B + B * self.length / supposed)
        return _sparse((each, n * (K1 + 1) / (n + fixed)) for each, n in self.counted.items())


def words_of(namespace: str, lexemes: Lexemes) -> Words:
    """Returns the lexemes of an entry."""
    return Words(dict(digests(namespace, cut(lexemes))), len(lexemes))


def digests(namespace: str, lexemes: Iterable[str]) -> Counter[int]:
    """Returns how often each lexeme is there, by its digest, in their order."""
    return Counter(digest(namespace, each) for each in lexemes)


def _sparse(values: Iterable[tuple[int, float]]) -> Sparse | None:
    # Digests that meet in a place are added up: the bound stays one.
    places: dict[int, float] = {}
    for each, value in values:
        place = each & 0xFFFFFFFF
        places[place] = places.get(place, 0.0) + value
    return Sparse(list(places), list(places.values())) if places else None


class Question(msgspec.Struct, frozen=True):
    """The lexemes of a question with their weights."""

    weights: Mapping[int, float]
    corpus: Corpus

    @property
    def vector(self) -> Sparse | None:
        """What Qdrant is asked for; None when nothing has any of these lexemes."""
        return _sparse(self.weights.items())

    def scores(self, gen: int, found: Sequence[Fields]) -> NDArray[np.float64]:
        """Returns the BM25 of points with the fields ``w`` and ``l``."""
        packed = [base64.b64decode(each[f"w{gen}"]) for each in found]
        lengths = np.array([int(each[f"l{gen}"].split(":")[0]) for each in found], np.float64)
        owners = np.repeat(np.arange(len(packed)), [len(each) // 12 for each in packed])
        words = np.frombuffer(b"".join(packed), _PACKED)
        scores = np.zeros(len(found))
        fixed = K1 * (1 - B + B * lengths / max(1e-9, self.corpus.average))
        for lexeme, weight in self.weights.items():
            places = np.flatnonzero(words["lexeme"] == lexeme)
            times = words["times"][places].astype(np.float64)
            of = owners[places]
            scores[of] += weight * times * (K1 + 1) / (times + fixed[of])
        return scores


def weigh(
    often: Mapping[int, int], frequencies: Mapping[int, int], corpus: Corpus, most: int = 0
) -> Question:
    """Returns a question from its lexemes.

    Args:
        often: How often each is in it.
        frequencies: In how many texts each is.
        corpus: The namespace.
        most: How many are looked for, see `telling`.
    """
    looked_for = telling(often, frequencies, corpus.texts, most)
    return Question({one: rarity(corpus.texts, frequencies[one]) for one in looked_for}, corpus)
