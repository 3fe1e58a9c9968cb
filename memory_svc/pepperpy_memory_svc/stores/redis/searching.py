"""Candidates of both legs: what they are made of in one call, their entries in the next."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.redis.entries import HALF, HeldBrief, half, micros, vector_of
from pepperpy_memory_svc.stores.redis.filtering import ALL, query_of
from pepperpy_memory_svc.stores.redis.fitting import Fitting, Load
from pepperpy_memory_svc.stores.redis.ranked import Ranked
from pepperpy_memory_svc.stores.redis.words import score
from pepperpy_memory_svc.stores.redis.writing import RedisWriting
from pepperpy_memory_svc.stores.rows import (
    Brief,
    Candidates,
    Generation,
    Kind,
    Scored,
    Vector,
    Wanted,
)
from pepperpy_memory_svc.stores.values import (
    check_ids,
    check_namespace,
    check_vector,
    check_wanted,
    cut,
)
from pepperpy_memory_svc.stores.writing import alive, generation_of
from pepperpy_schemas.memory import Entry

FEW: Final = 2500
"""Entries up to which all that may fulfil a condition are compared."""
_FARTHER: Final = 4
"""How many times farther a search looks that has not found enough."""


class _Found(msgspec.Struct, frozen=True):
    """What a search is made of.

    Attributes:
        gone: A generation that is gone.
        kind: What it would have been of.
        size: Entries of the namespace.
        few: The numbers of those that may fulfil the condition, unless they are many.
        compared: Those of them that have a vector; their vectors stand beside.
        span: How many of the best are expected to have enough among them that fit.
        k: How many of the nearest were asked for.
        near: Numbers of the nearest with their distances.
        corpus: Entries that have been analysed, and the length of all.
    """

    gone: int = 0
    kind: Kind = "embedding"
    size: int = 0
    few: list[str] | None = None
    compared: list[str] | None = None
    span: int = 0
    k: int = 0
    near: list[tuple[str, str]] = []
    corpus: tuple[int, int] = (0, 0)

    @property
    def more(self) -> bool:
        """Whether there may be more than the nearest that were asked for."""
        return 0 < self.k < self.size


class _Having(msgspec.Struct, frozen=True):
    """Who has a vector."""

    gone: bool = False
    having: list[str] = []


class RedisSearching(RedisWriting):
    """The searching half of the store."""

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        check_wanted(wanted)
        load = self._loading(wanted, now)
        if wanted.vector is None and not wanted.lexemes:
            return Candidates([], [], {})
        await self._generations_for(lambda known: _check(wanted, known))
        found, beside = await self._find(wanted, self._asked_of(wanted))
        near, words = _nearest(wanted, found, beside), _worded(wanted, found, beside)
        fitting = Fitting(load, wanted.limit, found.span)
        await fitting.look(near, words)
        nearest = await fitting.best(near)
        while wanted.vector is not None and len(nearest) < wanted.limit and found.more:
            found, beside = await self._find(wanted, self._farther(wanted, found))
            nearest = await fitting.best(_nearest(wanted, found, beside))
        best = await fitting.best(words)
        return _candidates(nearest, best, fitting)

    def _loading(self, wanted: Wanted, now: datetime) -> Load:
        """Returns what reads entries, and leaves those that may be candidates."""
        fits = compile_condition(wanted.where)

        async def whole(numbers: Sequence[str]) -> dict[str, Entry]:
            held = await self._load(wanted.namespace, numbers)
            entries = ((each.nr, each.entry()) for each in held)
            return {nr: each for nr, each in entries if alive(each, now) and fits(each)}

        async def brief(numbers: Sequence[str]) -> dict[str, Brief]:
            asked = {"namespace": wanted.namespace, "numbers": numbers}
            held = await self._pool.run("load_brief", asked, list[HeldBrief])
            return {each.nr: each.known() for each in held if each.alive(micros(now))}

        # A condition is looked at again, and may ask for anything.
        return brief if wanted.brief and wanted.where is None else whole

    def _farther(self, wanted: Wanted, found: _Found) -> dict[str, Any]:
        asked = {**self._asked_of(wanted), "where": ALL, "k": str(found.k * _FARTHER)}
        del asked["lexemes"]
        if found.k * _FARTHER > found.size and self._walks:
            # What the graph has not led to, comparing all does.
            asked["few"] = found.size
        return asked

    def _asked_of(self, wanted: Wanted) -> dict[str, Any]:
        return {
            "namespace": wanted.namespace,
            "where": query_of(wanted.where),
            "few": FEW,
            "k": str(wanted.limit),
            "embedding": str(wanted.embedding),
            "analyser": str(wanted.analyser),
            "vector": int(wanted.vector is not None),
            "lexemes": list(_often(wanted)),
            # A graph does not lead to all; among few, comparing them costs no more.
            "compare": self._walks,
        }

    @property
    def _walks(self) -> bool:
        return self._pool.address.index == "hnsw"

    async def _find(self, wanted: Wanted, asked: dict[str, Any]) -> tuple[_Found, list[bytes]]:
        vector = [] if wanted.vector is None else [half(wanted.vector)]
        found, beside = await self._pool.fetch("search", asked, _Found, vector)
        if found.gone:
            self._forget()
            generation_of(found.gone, found.kind, ())
        return found, beside

    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """See `Search.vectors`."""
        check_namespace(namespace)
        asked = {
            "namespace": namespace,
            "ids": check_ids(ids),
            "embedding": str(embedding),
            "now": str(micros(now)),
        }
        found, beside = await self._pool.fetch("vectors", asked, _Having)
        if found.gone:
            generation_of(embedding, "embedding", ())
        return {id_: vector_of(each) for id_, each in zip(found.having, beside, strict=True)}


def _often(wanted: Wanted) -> Counter[str]:
    """How often each lexeme is in the question, in their order."""
    return Counter(sorted(cut(wanted.lexemes)))


def _check(wanted: Wanted, known: list[Generation]) -> None:
    if wanted.vector is not None:
        check_vector(wanted.vector, generation_of(wanted.embedding, "embedding", known))
    if wanted.lexemes:
        generation_of(wanted.analyser, "analyser", known)


def _nearest(wanted: Wanted, found: _Found, beside: Sequence[bytes]) -> Ranked:
    if found.compared is None:
        return Ranked.of([nr for nr, _ in found.near], (1 - float(far) for _, far in found.near))
    assert wanted.vector is not None, "nothing is compared with no vector"
    question = np.frombuffer(half(wanted.vector), HALF).astype(np.float32)
    vectors = np.frombuffer(beside[0], HALF).reshape(-1, len(question))
    # Equal vectors are as near, wherever they stand in the sum.
    return Ranked.of(found.compared, (vectors.astype(np.float32) @ question).round(6))


def _worded(wanted: Wanted, found: _Found, beside: Sequence[bytes]) -> Ranked:
    postings = beside if found.compared is None else beside[1:]
    often = _often(wanted)
    ranked = score(postings, list(often.values()), *found.corpus, most=wanted.telling)
    return ranked if found.few is None else ranked.among(found.few)


def _candidates(nearest: list[Scored], best: list[Scored], fitting: Fitting) -> Candidates:
    known = dict(fitting.known(nearest, best))
    return Candidates(
        nearest,
        best,
        {id_: each for id_, each in known.items() if isinstance(each, Entry)},
        {id_: each for id_, each in known.items() if isinstance(each, Brief)},
    )
