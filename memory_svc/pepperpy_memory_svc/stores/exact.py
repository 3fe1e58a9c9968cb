"""Vectors of entries, compared one by one; in memory."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pepperpy_memory_svc.stores.rows import Vector

_Numbers = NDArray[np.float32]


class Vectors:
    """The vectors of a namespace's entries, at unit length.

    Args:
        dims: Numbers of a vector.
    """

    def __init__(self, dims: int) -> None:
        self._matrix: _Numbers = np.empty((0, dims), np.float32)
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._without: set[str] = set()

    def __contains__(self, id: object) -> bool:  # noqa: A002 - as in Entry
        return id in self._places or id in self._without

    def put(self, id: str, vector: Vector | None) -> None:  # noqa: A002 - as in Entry
        """Takes an entry's vector, or that it has none, in the place of what was there."""
        self.remove(id)
        if vector is None:
            self._without.add(id)
            return
        if len(self._ids) == len(self._matrix):
            self._grow()
        self._matrix[len(self._ids)] = unit(vector)
        self._places[id] = len(self._ids)
        self._ids.append(id)

    def _grow(self) -> None:
        held, dims = self._matrix.shape
        larger = np.empty((max(64, 2 * held), dims), np.float32)
        larger[:held] = self._matrix
        self._matrix = larger

    def remove(self, id: str) -> None:  # noqa: A002 - as in Entry
        """Forgets an entry; one that is not there is no error."""
        self._without.discard(id)
        place = self._places.pop(id, None)
        if place is None:
            return
        last = self._ids.pop()
        if last != id:
            self._ids[place] = last
            self._places[last] = place
            self._matrix[place] = self._matrix[len(self._ids)]

    def get(self, id: str) -> Vector | None:  # noqa: A002 - as in Entry
        """Returns an entry's vector at unit length, if it has one."""
        place = self._places.get(id)
        return None if place is None else [float(each) for each in self._matrix[place]]

    def search(
        self, vector: Vector, allowed: Callable[[str], bool], limit: int
    ) -> list[tuple[str, float]]:
        """Returns the allowed entries that are nearest."""
        scores = self._matrix[: len(self._ids)] @ unit(vector)
        found: list[tuple[str, float]] = []
        for place in np.argsort(-scores, kind="stable"):
            if allowed(self._ids[place]):
                found.append((self._ids[place], float(scores[place])))
                if len(found) == limit:
                    break
        return sorted(found, key=lambda each: (-each[1], each[0]))


def unit(vector: Vector) -> _Numbers:
    """Returns a vector of the same direction and length 1."""
    given = np.asarray(vector, np.float64)
    # The squares of what is near the largest numbers would be infinite, of the smallest ones 0.
    numbers: NDArray[np.float64] = given / np.abs(given).max()
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)
