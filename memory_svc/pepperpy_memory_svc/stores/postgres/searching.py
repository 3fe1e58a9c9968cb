"""Candidates of both legs: exact among few entries, by the index among many."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Record
from pepperpy_memory_svc.stores.postgres.entries import entry_of, half_vector, vector_of
from pepperpy_memory_svc.stores.postgres.filtering import Bound, filter_sql
from pepperpy_memory_svc.stores.postgres.indexing import known_generations
from pepperpy_memory_svc.stores.postgres.pool import Pool
from pepperpy_memory_svc.stores.rows import Brief, Candidates, Generation, Scored, Vector, Wanted
from pepperpy_memory_svc.stores.values import (
    check_ids,
    check_namespace,
    check_vector,
    check_wanted,
    cut,
)
from pepperpy_memory_svc.stores.writing import generation_of

FEW: Final = 2500
"""Entries up to which all are compared: faster than the index is with a filter, and exact."""
_FEW_OF_MANY: Final = 125
"""Of a large namespace more are few: the square root of this many times its entries. What a filter
leaves of them is farther apart in the index, which finds it late or not at all. So one of a hundred
of a million entries are few."""
_REMEMBERED: Final = 60.0
"""Seconds for which it is remembered how many of a namespace are few: that need not be exact."""
_NAMESPACES: Final = 10_000
"""Namespaces of which it is remembered."""


class _Plan(msgspec.Struct, frozen=True):
    """What a statement is made of: its parameters and the condition, bound to them."""

    wanted: Wanted
    bound: Bound
    where: str


_Leg: TypeAlias = Callable[[_Plan, Bound, str | None], str]
"""Makes the text of a leg: of the plan, of what is bound, and of what stands for the few."""


class PostgresSearching:
    """The searching half of the store.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[int, Generation] = {}
        self._large: set[str] = set()
        self._limits: dict[str, tuple[int, float]] = {}

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        check_wanted(wanted)
        if wanted.vector is None and not wanted.lexemes:
            return Candidates([], [], {})
        bound = Bound(wanted.namespace, now)
        plan = _Plan(wanted, bound, filter_sql(wanted.where, wanted.namespace, bound))
        await self._check(wanted)
        few = await self._few(plan)
        found = await self._found(plan, few)
        if few is None and wanted.vector is not None and len(found.vector) < wanted.limit:
            # The index found fewer than are wanted; whether there are more, all of them say.
            found = await self._found(plan, await self._probed(plan, "ALL"))
        return found

    async def _check(self, wanted: Wanted) -> None:
        if wanted.vector is not None:
            generation = await self._generation(wanted.embedding)
            check_vector(wanted.vector, generation_of(wanted.embedding, "embedding", generation))
        if wanted.lexemes:
            generation = await self._generation(wanted.analyser)
            generation_of(wanted.analyser, "analyser", generation)

    async def _generation(self, number: int) -> list[Generation]:
        """Returns the generation, remembered: but for its state it never changes."""
        if number not in self._known:
            async with self._pool.connection() as connection:
                self._known = {each.number: each for each in await known_generations(connection)}
        return [self._known[number]] if number in self._known else []

    async def _few(self, plan: _Plan) -> list[int] | None:
        """Returns the numbers of the entries that may be candidates, or None for many."""
        namespace, whole = plan.wanted.namespace, plan.wanted.where is None
        if whole and namespace in self._large:
            return None
        few = FEW if whole else await self._few_of(namespace)
        found = await self._probed(plan, few + 1)
        if len(found) <= few:
            return found
        if whole:
            self._large.add(namespace)
        return None

    async def _few_of(self, namespace: str) -> int:
        """Returns how many entries of a namespace are few."""
        few, until = self._limits.get(namespace, (FEW, 0.0))
        if time.monotonic() >= until:
            async with self._pool.connection() as connection:
                size: int | None = await connection.fetchval(queries.SIZE, namespace)
            few = max(FEW, math.isqrt(_FEW_OF_MANY * (size or 0)))
            if len(self._limits) >= _NAMESPACES:
                self._limits.clear()
            self._limits[namespace] = few, time.monotonic() + _REMEMBERED
        return few

    async def _probed(self, plan: _Plan, limit: int | str) -> list[int]:
        probe = queries.PROBE.format(where=plan.where, limit=limit)
        async with self._pool.connection() as connection:
            found: list[int] | None = await connection.fetchval(probe, *plan.bound.values)
        return found or []

    async def _found(self, plan: _Plan, few: Sequence[int] | None) -> Candidates:
        if few is not None and not few:
            return Candidates([], [], {})
        legs = _legs(plan.wanted)
        # Among many each leg takes its time, so they run beside each other. Few are compared by one
        # statement, which is told once who they are.
        statements = [[leg] for leg in legs] if few is None else [legs]
        found = await asyncio.gather(*(self._fetched(plan, few, each) for each in statements))
        return _candidates([row for rows in found for row in rows], plan.wanted)

    async def _fetched(
        self, plan: _Plan, few: Sequence[int] | None, legs: Sequence[_Leg]
    ) -> list[Record]:
        bound = Bound(*plan.bound.values)
        among = None if few is None else bound.bind(few, "bigint[]")
        query = " UNION ALL ".join(f"({leg(plan, bound, among)})" for leg in legs)
        async with self._pool.connection() as connection:
            return await connection.fetch(query, *bound.values)

    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """See `Search.vectors`."""
        check_namespace(namespace)
        known = await self._generation(embedding)
        number = generation_of(embedding, "embedding", known).number
        async with self._pool.connection() as connection:
            found = await connection.fetch(
                queries.VECTORS.format(gen=number), namespace, now, check_ids(ids)
            )
        return {each["id"]: vector_of(each["emb"]) for each in found}


def _legs(wanted: Wanted) -> list[_Leg]:
    return [
        *([_nearest] if wanted.vector is not None else []),
        *([_best] if wanted.lexemes else []),
    ]


def _nearest(plan: _Plan, bound: Bound, few: str | None) -> str:
    assert plan.wanted.vector is not None, "it is a leg"
    query = queries.NEAREST if few is None else queries.NEAREST_OF_FEW
    vector = bound.bind(half_vector(plan.wanted.vector), "halfvec")
    return _leg(query, plan, few, gen=plan.wanted.embedding, vector=vector)


def _best(plan: _Plan, bound: Bound, few: str | None) -> str:
    wanted = plan.wanted
    often = Counter(sorted(cut(wanted.lexemes)))
    words = queries.WORDS.format(
        gen=wanted.analyser,
        lexemes=bound.bind(list(often), "text[]"),
        times=bound.bind(list(often.values()), "float8[]"),
        telling=queries.TELLING.format(most=int(wanted.telling)) if wanted.telling else "",
        among="" if few is None else queries.AMONG_FEW.format(few=few),
    )
    return _leg(queries.BEST, plan, few, words=words)


def _leg(query: str, plan: _Plan, few: str | None, **values: object) -> str:
    return query.format(
        columns=_columns(plan.wanted),
        where=plan.where,
        few=few,
        # A number and no parameter: not knowing it, the planner would rather compare all.
        limit=int(plan.wanted.limit),
        **values,
    )


def _columns(wanted: Wanted) -> str:
    if not wanted.brief:
        return queries.ENTRY
    return queries.BARE if wanted.bare else queries.BRIEF


def _candidates(found: list[Record], wanted: Wanted) -> Candidates:
    # By their places: hundreds of rows are read.
    vector = [Scored(each[2], each[1]) for each in found if each[0]]
    words = [Scored(each[2], each[1]) for each in found if not each[0]]
    vector.sort(key=_best_first)
    words.sort(key=_best_first)
    if wanted.brief:
        return Candidates(vector, words, {}, {each[2]: Brief(*each[2:]) for each in found})
    return Candidates(vector, words, {each[2]: entry_of(each) for each in found})


def _best_first(scored: Scored) -> tuple[float, str]:
    return -scored.score, scored.id
