"""Putting, deleting and touching entries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.qdrant.committing import Change, commit
from pepperpy_memory_svc.stores.qdrant.desk import Desk
from pepperpy_memory_svc.stores.qdrant.engine import Point
from pepperpy_memory_svc.stores.qdrant.filters import Filter, Has, Named, Within, every
from pepperpy_memory_svc.stores.qdrant.gone import highest_gone, note_gone
from pepperpy_memory_svc.stores.qdrant.indexing import Indexed, WordsIndex
from pepperpy_memory_svc.stores.qdrant.points import (
    WRITTEN,
    entry_of,
    fields_of,
    micros,
    of,
    outdated_id,
    past_ids,
    past_of,
    point_id,
)
from pepperpy_memory_svc.stores.qdrant.state import TRIES, State
from pepperpy_memory_svc.stores.rows import Generation, Row
from pepperpy_memory_svc.stores.values import check_ids, check_namespace, checked
from pepperpy_memory_svc.stores.writing import alive, check_generations, renewed, stored
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.memory import Condition, Entry

_AT_ONCE: Final = 1000


class _Planned(msgspec.Struct, frozen=True):
    """A row with what it is going to be."""

    row: Row
    entry: Entry
    point: Point | None
    """What its place has now, expired or not."""
    before: Entry | None
    """The entry of it."""
    replaces: bool
    """Whether it is a new version of what is there."""

    def keeps(self, generation: Generation) -> bool:
        """Whether what the generation has for it stays."""
        given = self.row.vectors if generation.kind == "embedding" else self.row.lexemes
        same = self.before is not None and self.before.text == self.entry.text
        return given is None and self.replaces and same


class QdrantWriting(Desk):
    """The writing half of the store."""

    async def put(self, namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
        """See `Entries.put`."""
        await checked(rows, namespace)
        if not rows:
            return []
        async with self.writing(namespace):
            for _ in range(TRIES):
                planned = await self._put(namespace, rows, now)
                if planned is not None:
                    await self._shorten(planned)
                    return [each.entry for each in planned]
        raise Unavailable("other processes write to the same entries all the time")

    async def _put(
        self, namespace: str, rows: Sequence[Row], now: datetime
    ) -> list[_Planned] | None:
        """Stores rows; None if another process came in between."""
        state = await self.state.read()
        check_generations(rows, state.generations)
        planned = await self._plan(namespace, rows, now)
        await self._forget_expired(planned)
        change = await self._change(namespace, planned, state)
        return planned if await commit(self.engine, state, change) else None

    async def _plan(self, namespace: str, rows: Sequence[Row], now: datetime) -> list[_Planned]:
        keeps = any(row.vectors is None or row.lexemes is None for row in rows)
        # What may have to be put back is read whole, too.
        whole = keeps or not self.engine.exclusive
        ids = [row.entry.id for row in rows]
        found = await self.points(namespace, ids, True if whole else WRITTEN, whole)
        new = len(found) < len(ids)
        gone = await highest_gone(self.engine, namespace) if new else 0
        last = await self._last_turns(namespace, rows)
        planned = []
        for row in rows:
            point = found.get(row.entry.id)
            before = None if point is None else entry_of(point)
            session = row.entry.session
            entry = stored(row, before, now=now, last=last.get(session, 0), gone=gone)
            last[session] = max(last.get(session, 0), entry.seq)
            replaces = alive(before, now) is not None
            planned.append(_Planned(row, entry, point, before, replaces))
        return planned

    async def _last_turns(self, namespace: str, rows: Sequence[Row]) -> dict[str, int]:
        sessions = {row.entry.session for row in rows if row.entry.session and not row.entry.seq}
        last = {}
        for each in sorted(sessions):
            where = every([of(namespace), Has("session", [each])])
            found = await self.engine.ordered(where, ["seq"], 1, "seq", last_first=True)
            last[each] = int(found[0].fields["seq"]) if found else 0
        return last

    async def _change(self, namespace: str, planned: Sequence[_Planned], state: State) -> Change:
        index = WordsIndex(namespace, self.corpora)
        analysers = [each.number for each in state.generations if each.kind == "analyser"]
        for number in analysers:
            given = [each.row.lexemes for each in planned if each.row.lexemes]
            texts = [each[number] for each in given if number in each]
            if texts:
                await index.take(number, texts)
        points, past = [], []
        for each in planned:
            points.append(_point(each, state.generations, index))
            if each.replaces and each.point is not None and each.before is not None:
                past.append(past_of(each.point, each.before, each.entry.updated))
        before = {each.point.id: each.point for each in planned if each.point is not None}
        return Change(points, before, past)

    async def _forget_expired(self, planned: Sequence[_Planned]) -> None:
        """Removes the history of what had expired and is put anew."""
        outdated = [
            each
            for one in planned
            if one.point is not None and one.before is not None and not one.replaces
            for each in past_ids(one.point, one.before.version)
        ]
        if outdated:
            await self.engine.remove(Named(outdated))

    async def _shorten(self, planned: Sequence[_Planned]) -> None:
        """Removes versions that are too old; one that stays by accident is shown by nothing."""
        outdated = [
            outdated_id(one.point, one.entry.version) for one in planned if one.point is not None
        ]
        ids = [each for each in outdated if each is not None]
        if ids:
            await self.engine.remove(Named(ids))

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """See `Entries.delete`."""
        check_namespace(namespace)
        async with self.writing(namespace):
            found = await self.points(namespace, check_ids(ids), WRITTEN)
            gone = {
                id_: point
                for id_, point in found.items()
                if alive(entry_of(point), now) is not None
            }
            await self._remove(namespace, list(gone.values()))
        return sorted(gone)

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """See `Entries.delete_where`."""
        check_namespace(namespace)
        async with self.writing(namespace):
            entries = self.fitting(namespace, where, now=now, fields=WRITTEN)
            gone = [point async for point, _ in entries]
            await self._remove(namespace, gone)
        return len(gone)

    async def purge(self, *, now: datetime, limit: int = 10_000) -> int:
        """See `Housekeeping.purge`."""
        expired = Within(key="expires", lte=float(micros(now)))
        gone = 0
        async with self.room():
            namespaces = await self.engine.counts("ns", expired)
        for namespace in namespaces:
            if gone < limit:
                gone += await self._purge(str(namespace), expired, now, limit - gone)
        return gone

    async def _purge(self, namespace: str, expired: Filter, now: datetime, limit: int) -> int:
        gone: list[Point] = []
        async with self.writing(namespace):
            async for each in self.pages(every([of(namespace), expired]), WRITTEN):
                if alive(entry_of(each), now) is None:
                    gone.append(each)
                if len(gone) == limit:
                    break
            await self._remove(namespace, gone)
        return len(gone)

    async def _remove(self, namespace: str, gone: Sequence[Point]) -> None:
        """Removes entries, then their histories, which are shown by nothing from then on."""
        for begin in range(0, len(gone), _AT_ONCE):
            part = gone[begin : begin + _AT_ONCE]
            versions = [entry_of(each).version for each in part]
            await note_gone(self.engine, namespace, max(versions))
            await self.engine.remove(self._still(part))
            past = [
                id_ for each, one in zip(part, versions, strict=True) for id_ in past_ids(each, one)
            ]
            if past:
                await self.engine.remove(Named(past))

    def _still(self, points: Sequence[Point]) -> Filter:
        ids = Named([each.id for each in points])
        if self.engine.exclusive:
            return ids
        # What another process put meanwhile stays; what it filled is still the same version.
        return every([ids, Has("made", [each.fields["made"] for each in points])])

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """See `Entries.touch`."""
        check_namespace(namespace)
        async with self.turns.of(namespace), self.room():
            found = await self.points(namespace, check_ids(ids), WRITTEN)
            alike: dict[int, list[Point]] = {}
            for point in found.values():
                entry = alive(entry_of(point), now)
                until = None if entry is None else renewed(entry, now)
                if until is not None:
                    alike.setdefault(micros(until), []).append(point)
            for expires, points in alike.items():
                await self.engine.assign({"expires": expires}, self._still(points))
        return sum(len(each) for each in alike.values())


def _point(planned: _Planned, generations: Sequence[Generation], index: WordsIndex) -> Point:
    row = planned.row
    there = planned.point if planned.replaces else None
    indexed = Indexed.nothing()
    if there is not None and (row.vectors is None or row.lexemes is None):
        indexed = Indexed.of(there)
    for each in generations:
        if not planned.keeps(each):
            indexed.remove(each.number)
        if each.kind == "embedding" and row.vectors is not None and each.number in row.vectors:
            indexed.add_vector(each.number, row.vectors[each.number])
        if row.lexemes is not None and each.number in row.lexemes:
            index.add(indexed, each.number, row.lexemes[each.number])
    born = None if there is None else there.fields["born"]
    id_ = point_id(planned.entry.namespace, planned.entry.id)
    return indexed.point(id_, fields_of(planned.entry, born))
