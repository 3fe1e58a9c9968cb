"""Generations in Qdrant: a vector each, all in the one collection."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from pepperpy_memory_svc.stores.qdrant.committing import replace
from pepperpy_memory_svc.stores.qdrant.desk import Desk, operation
from pepperpy_memory_svc.stores.qdrant.engine import Point
from pepperpy_memory_svc.stores.qdrant.filters import Filter, Has, Lacks, every, no
from pepperpy_memory_svc.stores.qdrant.indexing import Indexed, WordsIndex
from pepperpy_memory_svc.stores.qdrant.points import SHOWN, entry_of, living, new_rev
from pepperpy_memory_svc.stores.qdrant.state import TRIES, State
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind
from pepperpy_memory_svc.stores.rows import State as GenerationState
from pepperpy_memory_svc.stores.values import MAX_IDS, check_namespace, check_number
from pepperpy_memory_svc.stores.writing import alive, check_begun, check_fillings, named
from pepperpy_schemas.errors import Conflict, Unavailable
from pepperpy_schemas.memory import Entry


class QdrantGenerations(Desk):
    """The store's generations."""

    @operation
    async def generations(self) -> list[Generation]:
        """See `Generations.generations`."""
        return list((await self.state.read()).generations)

    async def begin(self, kind: Kind, name: str, *, dims: int = 0) -> Generation:
        """See `Generations.begin`."""
        check_begun(kind, name, dims, None)
        async with self.turns.alone(), self.room():
            there = _alike(await self.state.read(), kind, name)
            if there is None:
                number = await self.state.change(_reserve)
                await self._make_room(number, kind, dims)
                begun = Generation(number, kind, name, dims, "building")
                there = await self.state.change(lambda state: _add(state, begun))
                if there.number != number:
                    await self._give_up_room(begun)
        check_begun(kind, name, dims, there)
        return there

    async def _make_room(self, number: int, kind: Kind, dims: int) -> None:
        if kind == "embedding":
            await self.engine.add_dense(f"v{number}", dims)
            return
        await self.engine.add_sparse(f"w{number}")
        await self.engine.add_index(f"x{number}", "values")
        await self.engine.add_index(f"l{number}", "keyword")

    async def _give_up_room(self, generation: Generation) -> None:
        number = generation.number
        if generation.kind == "embedding":
            await self.engine.drop_vector(f"v{number}")
            return
        await self.engine.drop_vector(f"w{number}")
        await self.engine.drop_index(f"x{number}")
        await self.engine.drop_index(f"l{number}")
        await self.engine.clear([f"w{number}", f"x{number}", f"l{number}"])

    @operation
    async def unfilled(self, number: int, *, now: datetime, limit: int = 1000) -> list[Entry]:
        """See `Generations.unfilled`."""
        check_number(limit, "limit", least=1, most=MAX_IDS)
        named(number, (await self.state.read()).generations)
        found: list[Entry] = []
        async for point in self.pages(_unfilled(number, now), SHOWN):
            entry = alive(entry_of(point), now)
            if entry is not None:
                found.append(entry)
            if len(found) == limit:
                break
        return found

    async def fill(self, number: int, fillings: Sequence[Filling]) -> int:
        """See `Generations.fill`."""
        check_number(len(fillings), "fillings", least=0, most=MAX_IDS)
        async with self.room():
            generation = named(number, (await self.state.read()).generations)
        check_fillings(fillings, generation)
        filled = 0
        for namespace in sorted({each.namespace for each in fillings}):
            check_namespace(namespace)
            own = {each.id: each for each in fillings if each.namespace == namespace}
            async with self.writing(namespace):
                filled += await self._fill(number, namespace, own)
        return filled

    async def _fill(self, number: int, namespace: str, fillings: dict[str, Filling]) -> int:
        """Fills each entry that is still of its version, whatever becomes of the others."""
        filled, left = 0, fillings
        for _ in range(TRIES):
            generation = named(number, (await self.state.read()).generations)
            found = await self.points(namespace, list(left), True, True)
            fitting = {
                id_: point
                for id_, point in found.items()
                if point.fields["version"] == left[id_].version
            }
            if not fitting:
                return filled
            made = await self._filled(generation, namespace, fitting, left)
            before = {each.id: each for each in fitting.values()}
            stored = await replace(self.engine, made, before)
            filled += len(stored)
            left = {id_: left[id_] for id_, each in fitting.items() if each.id not in stored}
        raise Unavailable("other processes write to the same entries all the time")

    async def _filled(
        self,
        generation: Generation,
        namespace: str,
        found: dict[str, Point],
        fillings: dict[str, Filling],
    ) -> list[Point]:
        index = WordsIndex(namespace, self.corpora)
        if generation.kind == "analyser":
            await index.take(generation.number, [fillings[each].lexemes for each in found])
        made = []
        for id_, point in found.items():
            indexed = Indexed.of(point)
            indexed.remove(generation.number)
            if generation.kind == "embedding":
                indexed.add_vector(generation.number, fillings[id_].vector)
            else:
                index.add(indexed, generation.number, fillings[id_].lexemes)
            own = {key: value for key, value in point.fields.items() if not indexed.has_key(key)}
            made.append(indexed.point(point.id, {**own, "rev": new_rev()}))
        return made

    async def flip(self, number: int, *, now: datetime, partial: bool = False) -> int:
        """See `Generations.flip`."""
        async with self.turns.alone(), self.room():
            chosen = named(number, (await self.state.read()).generations)
            missing = await self.engine.count(_unfilled(number, now))
            if missing and not partial:
                return missing
            last = await self.state.change(lambda state: _flipped(state, chosen))
            if self.engine.exclusive or partial:
                return missing
            # Another process may have stored what it knew of the last one just before.
            missing = await self.engine.count(_unfilled(number, now))
            if missing and last != number:
                back = named(last, (await self.state.read()).generations)
                await self.state.change(lambda state: _flipped(state, back))
        return missing

    async def drop(self, number: int) -> None:
        """See `Generations.drop`."""
        async with self.turns.alone(), self.room():
            for each in (await self.state.read()).generations:
                if each.number == number:
                    await self.state.change(lambda state: _dropped(state, number))
                    await self._give_up_room(each)


def _unfilled(number: int, now: datetime) -> Filter:
    return every([no(Lacks("ns")), living(now), no(Has("has", [number]))])


def _alike(state: State, kind: Kind, name: str) -> Generation | None:
    alike = [each for each in state.generations if each.kind == kind and each.name == name]
    return alike[0] if alike else None


def _reserve(state: State) -> tuple[State, int]:
    return msgspec.structs.replace(state, next=state.next + 1), state.next


def _add(state: State, begun: Generation) -> tuple[State, Generation]:
    there = _alike(state, begun.kind, begun.name)
    if there is not None:
        return state, there
    if not any(each.kind == begun.kind for each in state.generations):
        begun = msgspec.structs.replace(begun, state="current")
    return _with(state, [*state.generations, begun]), begun


def _flipped(state: State, chosen: Generation) -> tuple[State, int]:
    """Returns the state with another one being current, and which was."""
    alike = [each for each in state.generations if each.kind == chosen.kind]
    last = next((each for each in alike if each.state == "current"), chosen)
    states: dict[int, GenerationState] = {last.number: "kept", chosen.number: "current"}
    generations = [
        msgspec.structs.replace(each, state=states.get(each.number, each.state))
        for each in state.generations
    ]
    return _with(state, generations), last.number


def _dropped(state: State, number: int) -> tuple[State, None]:
    for each in state.generations:
        if each.number == number and each.state == "current":
            raise Conflict(
                f"generation {number} is current",
                hint="flip to another one first",
                context={"generation": number},
            )
    return _with(state, [each for each in state.generations if each.number != number]), None


def _with(state: State, generations: list[Generation]) -> State:
    ordered = sorted(generations, key=lambda each: each.number)
    return msgspec.structs.replace(state, generations=ordered)
