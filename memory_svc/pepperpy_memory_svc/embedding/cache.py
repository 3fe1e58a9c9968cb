"""Vectors that are known already, by what they are of; the ones not asked for longest go first."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final, TypeAlias

from pepperpy_memory_svc.embedding.embedder import Purpose, Vector

Key: TypeAlias = bytes

_OVERHEAD: Final = 200
"""Bytes that an entry takes besides its numbers."""


def key_of(text: str, purpose: Purpose) -> Key:
    """Returns what a text is known by."""
    return blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=20, person=purpose.encode()
    ).digest()


class VectorCache:
    """Keeps vectors in a bounded part of the memory.

    Args:
        max_bytes: Bytes in all; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._kept: OrderedDict[Key, Vector] = OrderedDict()
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> "Vector | None":
        """Returns a vector that is kept."""
        found = self._kept.get(key)
        if found is None:
            self.misses += 1
            return None
        self._kept.move_to_end(key)
        self.hits += 1
        return found

    def put(self, key: Key, vector: Vector) -> None:
        """Keeps a vector."""
        size = _size(vector)
        if key in self._kept or size > self._max:
            return
        self._kept[key] = vector
        self.bytes += size
        while self.bytes > self._max:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= _size(gone)


def _size(vector: Vector) -> int:
    return _OVERHEAD + len(vector) * vector.itemsize
