"""Candidates of both legs in one statement: exact among few entries, by the index among many."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection, Record
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


class _Plan(msgspec.Struct, frozen=True):
    """What a statement is made of: its parameters and the condition, bound to them."""

    wanted: Wanted
    bound: Bound
    where: str


class PostgresSearching:
    """The searching half of the store.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[int, Generation] = {}
        self._large: set[str] = set()

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        check_wanted(wanted)
        if wanted.vector is None and not wanted.lexemes:
            return Candidates([], [], {})
        bound = Bound(wanted.namespace, now)
        plan = _Plan(wanted, bound, filter_sql(wanted.where, wanted.namespace, bound))
        async with self._pool.connection() as connection:
            await self._check(connection, wanted)
            few = await self._few(connection, plan)
            if few == []:
                return Candidates([], [], {})
            found = await _search(connection, plan, few)
            if few is None and wanted.vector is not None and len(found.vector) < wanted.limit:
                # The index found fewer than are wanted; whether there are more, all of them say.
                found = await _search(connection, plan, await _all(connection, plan))
        return found

    async def _check(self, connection: Connection, wanted: Wanted) -> None:
        if wanted.vector is not None:
            generation = await self._generation(connection, wanted.embedding)
            check_vector(wanted.vector, generation_of(wanted.embedding, "embedding", generation))
        if wanted.lexemes:
            generation = await self._generation(connection, wanted.analyser)
            generation_of(wanted.analyser, "analyser", generation)

    async def _generation(self, connection: Connection, number: int) -> list[Generation]:
        """Returns the generation, remembered: but for its state it never changes."""
        if number not in self._known:
            self._known = {each.number: each for each in await known_generations(connection)}
        return [self._known[number]] if number in self._known else []

    async def _few(self, connection: Connection, plan: _Plan) -> list[int] | None:
        """Returns the numbers of the entries that may be candidates, or None for many."""
        whole = plan.wanted.where is None
        if whole and plan.wanted.namespace in self._large:
            return None
        probe = queries.PROBE.format(where=plan.where, limit=FEW + 1)
        found: list[int] = await connection.fetchval(probe, *plan.bound.values) or []
        if len(found) <= FEW:
            return found
        if whole:
            self._large.add(plan.wanted.namespace)
        return None

    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """See `Search.vectors`."""
        check_namespace(namespace)
        async with self._pool.connection() as connection:
            known = await self._generation(connection, embedding)
            number = generation_of(embedding, "embedding", known).number
            found = await connection.fetch(
                queries.VECTORS.format(gen=number), namespace, now, check_ids(ids)
            )
        return {each["id"]: vector_of(each["emb"]) for each in found}


async def _all(connection: Connection, plan: _Plan) -> list[int]:
    probe = queries.PROBE.format(where=plan.where, limit="ALL")
    found: list[int] = await connection.fetchval(probe, *plan.bound.values) or []
    return found


async def _search(connection: Connection, plan: _Plan, few: Sequence[int] | None) -> Candidates:
    bound = Bound(*plan.bound.values)
    among = None if few is None else bound.bind(few, "bigint[]")
    wanted = plan.wanted
    legs = []
    if wanted.vector is not None:
        query = queries.NEAREST if few is None else queries.NEAREST_OF_FEW
        vector = bound.bind(half_vector(wanted.vector), "halfvec")
        legs.append(_leg(query, plan, among, gen=wanted.embedding, vector=vector))
    if wanted.lexemes:
        lexemes = bound.bind(sorted(set(cut(wanted.lexemes))), "text[]")
        part = "" if few is None else queries.AMONG_FEW.format(few=among)
        words = queries.WORDS.format(gen=wanted.analyser, lexemes=lexemes, among=part)
        legs.append(_leg(queries.BEST, plan, among, words=words))
    query = " UNION ALL ".join(f"({each})" for each in legs)
    return _candidates(await connection.fetch(query, *bound.values), wanted)


def _leg(query: str, plan: _Plan, few: str | None, **values: object) -> str:
    return query.format(
        columns=queries.BRIEF if plan.wanted.brief else queries.ENTRY,
        where=plan.where,
        few=few,
        # A number and no parameter: not knowing it, the planner would rather compare all.
        limit=int(plan.wanted.limit),
        **values,
    )


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
