"""Putting, deleting and touching entries: each put is one call, all of it or nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.redis.entries import Beside, Held, asked_row, instant_of, micros
from pepperpy_memory_svc.stores.redis.filtering import query_of
from pepperpy_memory_svc.stores.redis.generating import RedisGenerations
from pepperpy_memory_svc.stores.redis.reading import PAGE
from pepperpy_memory_svc.stores.rows import Row
from pepperpy_memory_svc.stores.values import check_ids, check_namespace, checked
from pepperpy_memory_svc.stores.writing import alive, check_generations, conflict
from pepperpy_schemas.memory import Condition, Entry

_LATEST: Final = str(micros(datetime.max.replace(tzinfo=UTC) - timedelta(days=1)))
_FOUND: Final = 1_000_000
"""Entries that the index names at most at a time."""
_REMOVED: Final = 500
"""Entries that one call removes: the server does nothing else meanwhile."""


class _Put(msgspec.Struct, frozen=True):
    """What a put came to.

    Attributes:
        stale: The generations are not what they were.
        conflict: Which row is of another version than expected, from 1.
        version: The version that is there.
        written: Version, place and beginning of each row.
    """

    stale: bool = False
    conflict: int = 0
    version: int = 0
    written: list[tuple[str, str, str]] = []


class RedisWriting(RedisGenerations):
    """The writing half of the store."""

    async def put(self, namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
        """See `Entries.put`."""
        await checked(rows, namespace)
        if not rows:
            return []
        asked: dict[str, Any] = {
            "namespace": namespace,
            "now": str(micros(now)),
            "near": self._near,
        }
        done = _Put(stale=True)
        while done.stale:
            known = await self._generations_for(lambda known: check_generations(rows, known))
            asked["stamp"] = known.stamp
            beside = Beside()
            asked["rows"] = [asked_row(each, beside) for each in rows]
            done = await self._pool.run("put", asked, _Put, beside)
            if done.stale:
                self._forget()
        if done.conflict:
            raise conflict(rows[done.conflict - 1], done.version)
        return [_written(row.entry, *each) for row, each in zip(rows, done.written, strict=True)]

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """See `Entries.delete`."""
        check_namespace(namespace)
        asked = sorted(set(check_ids(ids)))
        gone: list[str] = []
        for begin in range(0, len(asked), _REMOVED):
            few = asked[begin : begin + _REMOVED]
            given = {"namespace": namespace, "ids": few, "now": str(micros(now))}
            gone += await self._pool.run("delete", given, list[str])
        return gone

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """See `Entries.delete_where`."""
        check_namespace(namespace)
        fits = compile_condition(where)
        gone = 0
        async for page in self._matching(namespace, where):
            entries = [(each, each.entry()) for each in page]
            unwanted = [
                (held.nr, held.version)
                for held, entry in entries
                if alive(entry, now) is not None and fits(entry)
            ]
            gone += await self._remove(namespace, unwanted, now)
        return gone

    async def _remove(
        self, namespace: str, entries: Sequence[tuple[str, str]], now: datetime
    ) -> int:
        if not entries:
            return 0
        asked = {"namespace": namespace, "entries": entries, "now": str(micros(now))}
        return await self._pool.run("delete_unchanged", asked, int)

    async def _matching(self, namespace: str, where: Condition | None) -> AsyncIterator[list[Held]]:
        """Iterates over all entries that may fulfil a condition."""
        asked = {"namespace": namespace, "where": query_of(where), "limit": _FOUND}
        numbers = await self._pool.run("matching", asked, list[str])
        if len(numbers) == _FOUND:
            # The index names no more, though there may be: then all of the namespace are looked at.
            async for page in self._pages(namespace, "", PAGE):
                for begin in range(0, len(page), _REMOVED):
                    yield page[begin : begin + _REMOVED]
            return
        for begin in range(0, len(numbers), _REMOVED):
            few = numbers[begin : begin + _REMOVED]
            yield await self._load(namespace, few)

    async def _load(self, namespace: str, numbers: Sequence[str]) -> list[Held]:
        asked = {"namespace": namespace, "numbers": numbers}
        return await self._pool.run("load", asked, list[Held])

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """See `Entries.touch`."""
        check_namespace(namespace)
        asked = {
            "namespace": namespace,
            "ids": sorted(set(check_ids(ids))),
            "now": str(micros(now)),
            "latest": _LATEST,
        }
        return await self._pool.run("touch", asked, int)

    async def purge(self, *, now: datetime, limit: int = 10_000) -> int:
        """See `Housekeeping.purge`."""
        await self._sweep()
        gone, last = 0, 1
        while gone < limit and last:
            few = min(_REMOVED, limit - gone)
            asked = {"now": str(micros(now)), "limit": few}
            last = await self._pool.run("purge", asked, int)
            gone += last
        return gone


def _written(entry: Entry, version: str, seq: str, created: str) -> Entry:
    return msgspec.structs.replace(
        entry, version=int(version), seq=int(seq), created=instant_of(created)
    )
