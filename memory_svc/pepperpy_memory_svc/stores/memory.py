"""The store in memory: exact, small, gone with its process; for tests and to try things out."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import msgspec

from pepperpy_memory_svc.stores.conditions import Predicate, compile_condition
from pepperpy_memory_svc.stores.generating import MemoryGenerations
from pepperpy_memory_svc.stores.namespaces import Namespace
from pepperpy_memory_svc.stores.rows import (
    Candidates,
    Earlier,
    Figures,
    Row,
    Scored,
    Turn,
    Vector,
    Wanted,
)
from pepperpy_memory_svc.stores.values import (
    MAX_IDS,
    check_after,
    check_ids,
    check_namespace,
    check_number,
    check_rows,
    check_wanted,
    cut,
)
from pepperpy_memory_svc.stores.writing import alive, check_generations, generation_of, renewed
from pepperpy_schemas.memory import Condition, Entry


class MemoryStore(MemoryGenerations):
    """A `Store` in the memory of this process.

    Every call looks at all that it has to: its searches block the event loop for milliseconds at
    some ten thousand entries.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._namespaces.clear()

    async def ping(self) -> None:
        """Does nothing: it is there."""

    async def put(self, namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
        """See `Entries.put`."""
        check_rows(rows, namespace)
        check_generations(rows, self._generations)
        held = self._namespaces.get(namespace) or Namespace()
        planned = held.plan(rows, now)
        for row, entry in planned:
            held.put(row, entry, self._generations, now)
        self._namespaces[namespace] = held
        return [entry for _, entry in planned]

    async def get(self, namespace: str, ids: Sequence[str], *, now: datetime) -> dict[str, Entry]:
        """See `Entries.get`."""
        held = self._held(namespace)
        found = {each: held.there(each, now) for each in check_ids(ids)}
        return {id_: entry for id_, entry in found.items() if entry is not None}

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """See `Entries.delete`."""
        held = self._held(namespace)
        there = sorted(each for each in set(check_ids(ids)) if held.there(each, now))
        for each in there:
            held.remove(each)
        return there

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """See `Entries.delete_where`."""
        held = self._held(namespace)
        fits = compile_condition(where)
        gone = [each.id for each in held.live(now) if fits(each)]
        for each in gone:
            held.remove(each)
        return len(gone)

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """See `Entries.touch`."""
        held = self._held(namespace)
        number = 0
        for each in set(check_ids(ids)):
            entry = held.there(each, now)
            until = None if entry is None else renewed(entry, now)
            if entry is not None and until is not None:
                held.entries[each] = msgspec.structs.replace(entry, expires=until)
                number += 1
        return number

    async def scan(
        self,
        namespace: str,
        *,
        now: datetime,
        after: str = "",
        limit: int = 1000,
        where: Condition | None = None,
    ) -> list[Entry]:
        """See `Entries.scan`."""
        check_number(limit, "limit", least=1, most=MAX_IDS)
        check_after(after)
        held = self._held(namespace)
        fits = compile_condition(where)
        rest = (each for each in held.live(now) if each.id > after and fits(each))
        return sorted(rest, key=lambda each: each.id)[:limit]

    async def neighbours(
        self,
        namespace: str,
        turns: Sequence[Turn],
        *,
        before: int,
        after: int,
        now: datetime,
        where: Condition | None = None,
    ) -> list[Entry]:
        """See `Entries.neighbours`."""
        check_number(len(turns), "turns", least=0, most=MAX_IDS)
        held = self._held(namespace)
        fits = compile_condition(where)
        near = {
            (turn.session, seq)
            for turn in turns
            for seq in range(turn.seq - before, turn.seq + after + 1)
        }
        found = [
            each
            for each in held.live(now)
            if each.session and (each.session, each.seq) in near and fits(each)
        ]
        return sorted(found, key=lambda each: (each.session, each.seq, each.id))

    async def history(self, namespace: str, id: str, *, now: datetime) -> list[Earlier]:  # noqa: A002 - as in Entry
        """See `Entries.history`."""
        held = self._held(namespace)
        return list(held.earlier.get(id, ())) if held.there(id, now) else []

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        check_wanted(wanted)
        held = self._held(wanted.namespace)
        allowed = _Allowed(held, compile_condition(wanted.where), now)
        vector = self._nearest(held, wanted, allowed)
        words = self._worded(held, wanted, allowed)
        entries = {each.id: held.entries[each.id] for each in (*vector, *words)}
        return Candidates(vector, words, entries)

    def _nearest(self, held: Namespace, wanted: Wanted, allowed: "_Allowed") -> list[Scored]:
        if wanted.vector is None:
            return []
        generation = self._of("embedding", wanted.embedding)
        self._check_vector(wanted.vector, generation)
        found = held.vectors_of(generation).search(wanted.vector, allowed, wanted.limit)
        return [Scored(id_, score) for id_, score in found]

    def _worded(self, held: Namespace, wanted: Wanted, allowed: "_Allowed") -> list[Scored]:
        if not wanted.lexemes:
            return []
        generation = self._of("analyser", wanted.analyser)
        postings = held.postings_of(generation.number)
        found = postings.search(cut(wanted.lexemes), allowed, wanted.limit, wanted.telling)
        return [Scored(id_, score) for id_, score in found]

    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """See `Search.vectors`."""
        held = self._held(namespace)
        kept = held.vectors_of(generation_of(embedding, "embedding", self._generations))
        found = {each: kept.get(each) for each in check_ids(ids) if held.there(each, now)}
        return {id_: vector for id_, vector in found.items() if vector is not None}

    async def purge(self, *, now: datetime, limit: int = 10_000) -> int:
        """See `Housekeeping.purge`."""
        gone = [
            (held, each.id)
            for held in self._namespaces.values()
            for each in held.entries.values()
            if alive(each, now) is None
        ][:limit]
        for held, id_ in gone:
            held.remove(id_)
        return len(gone)

    async def figures(self, namespaces: Sequence[str], *, now: datetime) -> dict[str, Figures]:
        """See `Housekeeping.figures`."""
        return {each: _figures(self._held(each), now) for each in namespaces}

    def _held(self, namespace: str) -> Namespace:
        check_namespace(namespace)
        return self._namespaces.get(namespace) or Namespace()


class _Allowed:
    """Says which entries may be candidates, and remembers it for the other leg."""

    def __init__(self, held: Namespace, fits: Predicate, now: datetime) -> None:
        self._held = held
        self._fits = fits
        self._now = now
        self._known: dict[str, bool] = {}

    def __call__(self, id: str) -> bool:  # noqa: A002 - as in Entry
        known = self._known.get(id)
        if known is None:
            entry = self._held.there(id, self._now)
            known = self._known[id] = entry is not None and self._fits(entry)
        return known


def _figures(held: Namespace, now: datetime) -> Figures:
    live = list(held.live(now))
    return Figures(
        entries=len(live),
        expired=len(held.entries) - len(live),
        characters=sum(len(each.text) for each in live),
        sessions=len({each.session for each in live} - {""}),
        langs=dict(Counter(each.lang for each in live)),
        terms=dict(Counter(each.term for each in live)),
        scopes=dict(Counter(each.scope for each in live)),
    )
