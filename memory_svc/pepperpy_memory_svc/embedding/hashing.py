"""An embedder without a model: words and parts of words, hashed; for tests and tiny stacks.

Texts that share words are alike, and nothing else is known of them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from types import TracebackType
from typing import Final, Self

from pepperpy_memory_svc.embedding.embedder import Purpose, Vector, unit

_WORD: Final = re.compile(r"\w+")
_MOST: Final = 20_000
"""Characters of a text that count."""
_PART: Final = 3
_PART_WEIGHT: Final = 0.3


class HashingEmbedder:
    """Hashes the words of a text, and their parts of three letters, into places of a vector.

    Args:
        dims: Numbers of a vector.
    """

    name = "hashing"
    version = "1"
    characters = 100_000

    def __init__(self, *, dims: int = 256) -> None:
        self.dims = dims
        self._places: dict[str, tuple[int, float]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._places.clear()

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:  # noqa: ARG002 - equal for both
        """See `Embedder.embed`."""
        return [self._embed(text[:_MOST].casefold()) for text in texts]

    def _embed(self, text: str) -> Vector:
        numbers = [0.0] * self.dims
        for word, times in Counter(_WORD.findall(text)).items():
            for part, weight in _parts(word):
                place, sign = self._place(part)
                numbers[place] += sign * weight * times**0.5
        return unit(numbers)

    def _place(self, part: str) -> tuple[int, float]:
        known = self._places.get(part)
        if known is None:
            number = int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big")
            known = (number // 2) % self.dims, 1.0 if number % 2 else -1.0
            if len(self._places) < _MOST:
                self._places[part] = known
        return known


def _parts(word: str) -> Iterator[tuple[str, float]]:
    yield word, 1.0
    padded = f"<{word}>"
    for start in range(len(padded) - _PART + 1):
        yield padded[start : start + _PART], _PART_WEIGHT
