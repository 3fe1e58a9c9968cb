"""langdetect's arithmetic on arrays: its answers, in a third of its time for a question.

langdetect tries seven times. A trial draws one n-gram of the text after another, by lot, and
multiplies the probability of each language by the n-gram's share in it, smoothed a little
differently each time, until one language is nearly certain. In Python that is some thousand times
fifty-five products a text. Here the draws are those that Python's generator would make, and the
products of many of them are computed at once; the sums differ from langdetect's in their last
digits. Finding the n-grams is left to it, and is most of what a page takes.

Of langdetect are the n-grams and the constants: Shuyo Nakatani, Language Detection Library for
Java (2010).
"""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TRIALS: Final = 7
CHECKED: Final = 5
"""Draws after which it is looked whether a language is certain."""
MOST: Final = 1000
"""Draws of a trial at most, after the first."""
CERTAIN: Final = 0.99999

_LONGEST: Final = 3
"""Characters of an n-gram."""
_SMOOTH: Final = 0.5 / 10_000
_SPREAD: Final = 0.05 / 10_000
_BLOCK: Final = 10
"""Checks whose draws are multiplied at once. No product of so many is too small for a float: none
of its factors is below 5e-6."""
_WORDS: Final = 16_384
"""Words of the generator that are kept. At least every second one is a draw, give or take a
hundred, and no text takes more than `TRIALS` times `MOST` of them."""

_Floats = NDArray[np.float64]


class Trials:
    """The shares of all n-grams in all languages, 40 MB.

    Args:
        folder: The profiles of the languages, as langdetect has them.
        seed: Of the lot, the same for every text.

    Attributes:
        langs: The languages.
        numbers: The number of each n-gram.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        profiles = [json.loads(file.read_bytes()) for file in sorted(folder.iterdir())]
        self.langs = [str(profile["name"]) for profile in profiles]
        grams = dict.fromkeys(gram for profile in profiles for gram in profile["freq"])
        self.numbers = {gram: number for number, gram in enumerate(grams)}
        self._shares: _Floats = np.zeros((len(grams), len(profiles)))
        for lang, profile in enumerate(profiles):
            rows = [self.numbers[gram] for gram in profile["freq"]]
            self._shares[rows, lang] = _shares(profile)
        generator = random.Random(seed)  # noqa: S311 - nothing is secret
        self._words = np.array([generator.getrandbits(32) for _ in range(_WORDS)], np.uint32)

    def probabilities(self, grams: Sequence[str]) -> _Floats:
        """Returns the probability of each language.

        Args:
            grams: The n-grams of a text as often as they are in it, at least one, all known.
        """
        rows = np.array([self.numbers[gram] for gram in grams], np.intp)
        draws = _Draws(self._words, len(grams))
        found: _Floats = np.zeros(len(self.langs))
        for _ in range(TRIALS):
            found += self._trial(rows, _SMOOTH + draws.gauss() * _SPREAD, draws)
        found /= TRIALS
        return found

    def _trial(self, rows: NDArray[np.intp], smooth: float, draws: "_Draws") -> _Floats:
        """The probabilities that one trial ends with; ``rows`` are those of the n-grams."""
        # langdetect looks after the first draw, too, which makes nothing certain: that would take a
        # share some five million times what all are smoothed by.
        found: _Floats = self._shares[rows[draws.ahead(1)[0]]] + smooth
        draws.take(1)
        checks = MOST // CHECKED
        while True:
            block = min(_BLOCK, checks)
            drawn = self._shares[rows[draws.ahead(block * CHECKED)]] + smooth
            products = drawn.reshape(block, CHECKED, -1).prod(axis=1)
            products[0] *= found
            np.multiply.accumulate(products, axis=0, out=products)
            products /= products.sum(axis=1, keepdims=True)
            certain = np.flatnonzero(products.max(axis=1) > CERTAIN)
            taken = int(certain[0]) + 1 if certain.size else block
            draws.take(taken * CHECKED)
            found, checks = products[taken - 1], checks - taken
            if certain.size or not checks:
                return found


def _shares(profile: dict[str, Any]) -> list[float]:
    """The share of each n-gram among those of its length."""
    return [
        count / profile["n_words"][len(gram) - 1] if len(gram) <= _LONGEST else 0.0
        for gram, count in profile["freq"].items()
    ]


class _Draws:
    """What `random.Random` draws of some things, when its words are these.

    Args:
        words: The generator's words of 32 bits, in their order.
        count: How many things there are.
    """

    def __init__(self, words: NDArray[np.uint32], count: int) -> None:
        self._words = words
        # As `choice` does: so many bits as the number has, again where they make a larger one.
        self._bits = words >> np.uint32(32 - count.bit_length())
        self._places = np.flatnonzero(self._bits < count)
        self._at = 0
        self._other: float | None = None

    def ahead(self, count: int) -> NDArray[np.uint32]:
        """Returns the next draws, which are not taken yet."""
        return self._bits[self._next(count)]

    def take(self, count: int) -> None:
        """Takes the next draws."""
        self._at = int(self._next(count)[-1]) + 1

    def _next(self, count: int) -> NDArray[np.intp]:
        first = int(self._places.searchsorted(self._at))
        return self._places[first : first + count]

    def gauss(self) -> float:
        """Returns the next number of a normal distribution; Box and Muller make two at a time."""
        if self._other is not None:
            number, self._other = self._other, None
            return number
        turn = self._random() * 2 * math.pi
        length = math.sqrt(-2 * math.log(1 - self._random()))
        self._other = math.sin(turn) * length
        return math.cos(turn) * length

    def _random(self) -> float:
        high, low = self._words[self._at : self._at + 2].tolist()
        self._at += 2
        return float(((high >> 5) * 2**26 + (low >> 6)) / 2**53)
