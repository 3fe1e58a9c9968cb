"""Candidates of both legs: more than are wanted, looked at again, until no others can be better."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.exact import unit
from pepperpy_memory_svc.stores.qdrant.desk import operation
from pepperpy_memory_svc.stores.qdrant.engine import Engine, Hit, Point
from pepperpy_memory_svc.stores.qdrant.filters import Filter, every
from pepperpy_memory_svc.stores.qdrant.gate import Limits
from pepperpy_memory_svc.stores.qdrant.generating import QdrantGenerations
from pepperpy_memory_svc.stores.qdrant.points import SHOWN, entry_of, here
from pepperpy_memory_svc.stores.qdrant.words import Question, digests, weigh
from pepperpy_memory_svc.stores.rows import Candidates, Generation, Kind, Scored, Vector, Wanted
from pepperpy_memory_svc.stores.values import (
    check_ids,
    check_namespace,
    check_vector,
    check_wanted,
    cut,
)
from pepperpy_memory_svc.stores.writing import alive, generation_of
from pepperpy_schemas.memory import Entry

_MORE: Final = 4
"""How many times more are asked for when those that were found are too few."""
_ROUNDED: Final = 1 + 1e-4
"""Qdrant adds in single precision."""
_LOOKED_AT: Final = (*SHOWN, "id")
"""Fields that tell the order of hits, and what they are."""

Look: TypeAlias = Callable[[Point], Entry | None]
Found: TypeAlias = list[tuple[Scored, Entry]]


class QdrantSearching(QdrantGenerations):
    """The searching half of the store."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        super().__init__(engine, limits)
        self._known: dict[int, Generation] = {}

    @operation
    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        check_wanted(wanted)
        fits = compile_condition(wanted.where)
        within = every(
            [here(wanted.namespace, now), await self.filter(wanted.where, wanted.namespace)]
        )

        def look(point: Point) -> Entry | None:
            entry = alive(entry_of(point), now)
            return entry if entry is not None and fits(entry) else None

        # Both are waited for, even if one fails.
        legs = await asyncio.gather(
            self._nearest(wanted, within, look),
            self._worded(wanted, within, look),
            return_exceptions=True,
        )
        vector, words = (_or_raised(each) for each in legs)
        return Candidates(
            [each for each, _ in vector],
            [each for each, _ in words],
            {entry.id: entry for _, entry in (*vector, *words)},
        )

    async def _nearest(self, wanted: Wanted, within: Filter, look: Look) -> Found:
        if wanted.vector is None:
            return []
        generation = await self._generation("embedding", wanted.embedding)
        check_vector(wanted.vector, generation)
        name, vector = f"v{generation.number}", unit(wanted.vector).tolist()
        asked, exact = wanted.limit, self.engine.exact
        while True:
            hits = await self.engine.search(name, vector, within, asked, _LOOKED_AT, exact=exact)
            found = _best(hits, [each.score for each in hits], look, wanted.limit)
            if len(found) == wanted.limit or (exact and len(hits) < asked):
                return found
            # The index may have missed some, or the filter let in what does not fit.
            asked, exact = (asked * _MORE, True) if len(hits) == asked else (asked, True)

    async def _worded(self, wanted: Wanted, within: Filter, look: Look) -> Found:
        if not wanted.lexemes:
            return []
        gen = (await self._generation("analyser", wanted.analyser)).number
        often = digests(wanted.namespace, sorted(cut(wanted.lexemes)))
        corpus, frequencies = await self.corpora.frequencies(wanted.namespace, gen, often)
        question = weigh(often, frequencies, corpus, wanted.telling)
        if question.vector is None:
            return []
        # About so many are needed: 120 to 170 of texts of 8 to 80 lexemes for the best hundred.
        asked = wanted.limit + wanted.limit // 2 + 20
        while True:
            hits = await self.engine.search(
                f"w{gen}", question.vector, within, asked, (*_LOOKED_AT, f"w{gen}", f"l{gen}")
            )
            found = _scored(hits, question, gen, look, wanted.limit)
            if len(hits) < asked or _decided(hits, found, question, wanted.limit):
                return found
            asked *= _MORE

    async def _generation(self, kind: Kind, number: int) -> Generation:
        """Returns the generation, remembered: but for its state it never changes."""
        if self.engine.exclusive or number not in self._known:
            self._known = {each.number: each for each in (await self.state.read()).generations}
        return generation_of(number, kind, self._known.values())

    @operation
    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """See `Search.vectors`."""
        check_namespace(namespace)
        name = f"v{(await self._generation('embedding', embedding)).number}"
        found = await self.points(namespace, check_ids(ids), SHOWN, [name])
        vectors: dict[str, Vector] = {}
        for id_, point in found.items():
            vector = point.vectors.get(name)
            if isinstance(vector, list) and alive(entry_of(point), now) is not None:
                vectors[id_] = vector
        return vectors


def _or_raised(leg: Found | BaseException) -> Found:
    if isinstance(leg, BaseException):
        raise leg
    return leg


def _scored(hits: list[Hit], question: Question, gen: int, look: Look, limit: int) -> Found:
    scores = question.scores(gen, [each.point.fields for each in hits])
    # Of digests that meet in a place, Qdrant knows no difference; we do.
    places = [place for place, score in enumerate(scores) if score > 0]
    return _best([hits[each] for each in places], scores[places].tolist(), look, limit)


def _best(hits: Sequence[Hit], scores: Sequence[float], look: Look, limit: int) -> Found:
    """Returns the best that fit, equal ones by id; no more than have room are looked at."""
    found: Found = []
    ids = [each.point.fields["id"] for each in hits]
    for place in sorted(range(len(hits)), key=lambda each: (-scores[each], ids[each])):
        entry = look(hits[place].point)
        if entry is not None:
            found.append((Scored(entry.id, scores[place]), entry))
            if len(found) == limit:
                break
    return found


def _decided(hits: list[Hit], found: Found, question: Question, limit: int) -> bool:
    """Says whether nothing that was not found can be better than what is found."""
    if len(found) < limit:
        return False
    bound = hits[-1].score * question.corpus.slack * _ROUNDED
    return found[-1][0].score >= bound
