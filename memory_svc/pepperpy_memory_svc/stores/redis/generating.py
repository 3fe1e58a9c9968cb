"""Generations in Redis: begun, filled, taken and dropped."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pepperpy_memory_svc.stores.redis.entries import Beside, Held, counted, micros
from pepperpy_memory_svc.stores.redis.pool import Pool
from pepperpy_memory_svc.stores.redis.reading import RedisReading
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind
from pepperpy_memory_svc.stores.values import MAX_IDS, check_number
from pepperpy_memory_svc.stores.writing import (
    check_begun,
    check_fillings,
    named,
)
from pepperpy_schemas.errors import BadPayload, Conflict, WrongSequence
from pepperpy_schemas.memory import Entry

_HNSW = ("M", "16", "EF_CONSTRUCTION", "200", "EF_RUNTIME", "200")
_SWEPT = 1000


class Known(msgspec.Struct, frozen=True):
    """The generations as they were.

    Attributes:
        stamp: Another one as soon as they are others.
        generations: By number.
    """

    stamp: str
    generations: list[Generation]


class _Done(msgspec.Struct, frozen=True):
    """What became of a call on one generation."""

    gone: bool = False
    filled: int = 0
    missing: int = 0
    found: list[Held] = []


class RedisGenerations(RedisReading):
    """The store's generations.

    Args:
        pool: Its connections.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._known: Known | None = None
        algorithm = pool.address.index.upper()
        tuning = _HNSW if algorithm == "HNSW" else ("BLOCK_SIZE", "256")
        self._near: dict[str, Any] = {
            "algorithm": algorithm,
            "attributes": ["TYPE", "FLOAT16", "DISTANCE_METRIC", "IP", *tuning],
        }

    async def _read(self) -> Known:
        self._known = await self._pool.run("known", {}, Known)
        return self._known

    def _forget(self) -> None:
        self._known = None

    async def _generations_for(self, check: Callable[[list[Generation]], object]) -> Known:
        """Returns the generations that pass a check; what we remember of them may be old."""
        if self._known is not None:
            try:
                check(self._known.generations)
                return self._known
            except (WrongSequence, BadPayload):
                pass
        known = await self._read()
        check(known.generations)
        return known

    async def generations(self) -> list[Generation]:
        """See `Generations.generations`."""
        return (await self._read()).generations

    async def begin(self, kind: Kind, name: str, *, dims: int = 0) -> Generation:
        """See `Generations.begin`."""
        check_begun(kind, name, dims, None)
        asked = {"kind": kind, "name": name, "dims": dims}
        begun = await self._pool.run("begin", asked, Generation)
        check_begun(kind, name, dims, begun)
        return begun

    async def unfilled(self, number: int, *, now: datetime, limit: int = 1000) -> list[Entry]:
        """See `Generations.unfilled`."""
        check_number(limit, "limit", least=1, most=MAX_IDS)
        asked = {"gen": str(number), "now": str(micros(now)), "limit": limit}
        return [each.entry() for each in (await self._asked("unfilled", number, asked)).found]

    async def fill(self, number: int, fillings: Sequence[Filling]) -> int:
        """See `Generations.fill`."""
        check_number(len(fillings), "fillings", least=0, most=MAX_IDS)
        generation = named(number, (await self._read()).generations)
        check_fillings(fillings, generation)
        embeds = generation.kind == "embedding"
        beside = Beside()
        given = [
            {
                "namespace": each.namespace,
                "id": each.id,
                "version": str(each.version),
                "given": beside.put(each.vector) if embeds else counted(each.lexemes),
            }
            for each in fillings
        ]
        asked = {"gen": str(number), "fillings": given, "near": self._near}
        return (await self._asked("fill", number, asked, beside)).filled

    async def flip(self, number: int, *, now: datetime, partial: bool = False) -> int:
        """See `Generations.flip`."""
        asked = {"gen": str(number), "now": str(micros(now)), "partial": partial}
        return (await self._asked("flip", number, asked)).missing

    async def _asked(
        self, operation: str, number: int, asked: dict[str, Any], beside: Sequence[bytes] = ()
    ) -> _Done:
        done = await self._pool.run(operation, asked, _Done, beside)
        if done.gone:
            named(number, ())
        return done

    async def drop(self, number: int) -> None:
        """See `Generations.drop`."""
        done = await self._pool.run("drop", {"gen": str(number)}, str)
        if done == "current":
            raise Conflict(
                f"generation {number} is current",
                hint="flip to another one first",
                context={"generation": number},
            )
        await self._sweep()

    async def _sweep(self) -> None:
        """Removes what is left of generations that are gone, of a drop that was killed, too."""
        prefix = self._pool.address.prefix
        async with self._pool.client() as client:
            dropped = [int(each) for each in await client.smembers(f"{prefix}dropped")]
        for number in dropped:
            await self._pool.run("sweep", {"gen": str(number)}, bool)
            for part in ("vector", "words", "postings", "corpus"):
                await self._remove_keys(f"{prefix}{part}:{number}:*")
            async with self._pool.client() as client:
                await client.srem(f"{prefix}dropped", str(number))

    async def _remove_keys(self, pattern: str) -> None:
        cursor = -1
        while cursor:
            async with self._pool.client() as client:
                cursor, keys = await client.scan(max(0, cursor), match=pattern, count=_SWEPT)
                if keys:
                    await client.unlink(*keys)
