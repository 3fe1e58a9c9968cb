"""The generations of the store in memory."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import msgspec

from pepperpy_memory_svc.stores.namespaces import Namespace
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind, State, Vector
from pepperpy_memory_svc.stores.values import check_vector, cut
from pepperpy_memory_svc.stores.writing import (
    check_begun,
    check_fillings,
    generation_of,
    named,
)
from pepperpy_schemas.errors import Conflict
from pepperpy_schemas.memory import Entry


class MemoryGenerations:
    """Generations of vectors and lexemes, and the namespaces that hold them."""

    def __init__(self) -> None:
        self._namespaces: dict[str, Namespace] = {}
        self._generations: list[Generation] = []
        self._numbers = 0

    async def generations(self) -> list[Generation]:
        """See `Generations.generations`."""
        return list(self._generations)

    async def begin(self, kind: Kind, name: str, *, dims: int = 0) -> Generation:
        """See `Generations.begin`."""
        alike = [each for each in self._generations if each.kind == kind]
        there = next((each for each in alike if each.name == name), None)
        check_begun(kind, name, dims, there)
        if there is not None:
            return there
        self._numbers += 1
        state: State = "building" if alike else "current"
        begun = Generation(self._numbers, kind, name, dims, state)
        self._generations.append(begun)
        return begun

    async def unfilled(self, number: int, *, now: datetime, limit: int = 1000) -> list[Entry]:
        """See `Generations.unfilled`."""
        named(number, self._generations)
        return list(islice(self._unfilled(number, now), limit))

    def _unfilled(self, number: int, now: datetime) -> list[Entry]:
        return [
            entry
            for held in self._namespaces.values()
            for entry in held.live(now)
            if not held.filled(entry.id, number)
        ]

    async def fill(self, number: int, fillings: Sequence[Filling]) -> int:
        """See `Generations.fill`."""
        generation = named(number, self._generations)
        check_fillings(fillings, generation)
        return sum(self._fill(each, generation) for each in fillings)

    def _fill(self, filling: Filling, generation: Generation) -> bool:
        held = self._namespaces.get(filling.namespace)
        entry = None if held is None else held.entries.get(filling.id)
        if held is None or entry is None or entry.version != filling.version:
            return False
        if generation.kind == "embedding":
            held.vectors_of(generation).put(filling.id, filling.vector)
        else:
            held.postings_of(generation.number).put(filling.id, cut(filling.lexemes))
        return True

    async def flip(self, number: int, *, now: datetime, partial: bool = False) -> int:
        """See `Generations.flip`."""
        chosen = named(number, self._generations)
        missing = len(self._unfilled(number, now))
        if missing and not partial:
            return missing
        for place, each in enumerate(self._generations):
            if each.number == number:
                self._generations[place] = msgspec.structs.replace(each, state="current")
            elif each.kind == chosen.kind and each.state == "current":
                self._generations[place] = msgspec.structs.replace(each, state="kept")
        return missing

    async def drop(self, number: int) -> None:
        """See `Generations.drop`."""
        for each in self._generations:
            if each.number == number and each.state == "current":
                raise Conflict(
                    f"generation {number} is current",
                    hint="flip to another one first",
                    context={"generation": number},
                )
        self._generations = [each for each in self._generations if each.number != number]
        for held in self._namespaces.values():
            held.forget(number)

    def _of(self, kind: Kind, number: int) -> Generation:
        return generation_of(number, kind, self._generations)

    def _check_vector(self, vector: Vector, generation: Generation) -> None:
        check_vector(vector, generation)
