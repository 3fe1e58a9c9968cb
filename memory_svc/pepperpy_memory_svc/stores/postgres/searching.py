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
from pepperpy_memory_svc.stores.rows import Candidates, Generation, Scored, Vector, Wanted
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
            found = [] if few == [] else await _search(connection, plan, few)
            if few is None and _short(found, wanted):
                # The index found fewer than are wanted; whether there are more, all of them say.
                found = await _search(connection, plan, await _all(connection, plan))
        return _candidates(found)

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


def _short(found: list[Record], wanted: Wanted) -> bool:
    number = sum(each["vector"] is not None for each in found)
    return wanted.vector is not None and number < wanted.limit


async def _search(connection: Connection, plan: _Plan, few: Sequence[int] | None) -> list[Record]:
    bound = Bound(*plan.bound.values)
    # A number and no parameter: not knowing it, the planner would rather compare all.
    limit = int(plan.wanted.limit)
    among = None if few is None else bound.bind(few, "bigint[]")
    query = queries.CANDIDATES.format(
        nearest=_nearest(plan, bound, limit, among),
        best=_best(plan, bound, limit, among),
        where=plan.where,
    )
    return await connection.fetch(query, *bound.values)


def _nearest(plan: _Plan, bound: Bound, limit: int, few: str | None) -> str:
    if plan.wanted.vector is None:
        return queries.NOTHING
    vector = bound.bind(half_vector(plan.wanted.vector), "halfvec")
    query = queries.NEAREST if few is None else queries.NEAREST_OF_FEW
    gen = plan.wanted.embedding
    return query.format(gen=gen, vector=vector, few=few, limit=limit, where=plan.where)


def _best(plan: _Plan, bound: Bound, limit: int, few: str | None) -> str:
    if not plan.wanted.lexemes:
        return queries.NOTHING
    lexemes = bound.bind(sorted(set(cut(plan.wanted.lexemes))), "text[]")
    words = queries.WORDS.format(gen=plan.wanted.analyser, lexemes=lexemes)
    query = queries.BEST if few is None else queries.BEST_OF_FEW
    return query.format(words=words, few=few, limit=limit, where=plan.where)


def _candidates(found: list[Record]) -> Candidates:
    return Candidates(
        _leg(found, "vector"),
        _leg(found, "words"),
        {each["id"]: entry_of(each) for each in found},
    )


def _leg(found: list[Record], column: str) -> list[Scored]:
    scored = [Scored(each["id"], each[column]) for each in found if each[column] is not None]
    return sorted(scored, key=lambda each: (-each.score, each.id))
