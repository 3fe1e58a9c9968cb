"""Entries shown, forgotten and handed out; how full the memory is."""

from collections.abc import AsyncIterator
from typing import Final

from pepperpy_memory_svc.remembering.access import Place
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.treatments import version_of
from pepperpy_memory_svc.remembering.writing import found
from pepperpy_memory_svc.stores.writing import alive
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import Entry
from pepperpy_schemas.memory_requests import (
    DeleteReply,
    DeleteRequest,
    ExportRequest,
    GetRequest,
    History,
    HistoryRequest,
    NamespaceStats,
    Stats,
    Version,
)

_PAGE: Final = 200
"""Entries that an export reads at once."""


async def get(parts: Parts, place: Place, request: GetRequest) -> list[Entry]:
    """Returns those entries that are there, in the order of the request."""
    now = parts.clock()
    there = await parts.store.get(place.name, request.ids, now=now)
    entries = [there[id_] for id_ in dict.fromkeys(request.ids) if id_ in there]
    renewed = [entry.id for entry in entries if entry.ttl is not None]
    if request.touch and renewed:
        await parts.store.touch(place.name, renewed, now=now)
        there |= await parts.store.get(place.name, renewed, now=now)
    return [there[entry.id] for entry in entries]


async def delete(parts: Parts, place: Place, request: DeleteRequest) -> DeleteReply:
    """Forgets entries by id, or all that fulfil a condition.

    Raises:
        BadPayload: Neither is said; nothing is deleted by mistake.
    """
    now = parts.clock()
    if request.ids:
        ids = await parts.store.delete(place.name, request.ids, now=now)
        return DeleteReply(len(ids), ids)
    if request.where is None:
        raise BadPayload(
            "$.ids: say what to delete",
            hint='name ids, or a condition: {"op": "exists", "field": "id"} is true for all',
            context={"path": "$.ids"},
        )
    return DeleteReply(await parts.store.delete_where(place.name, request.where, now=now))


async def history(parts: Parts, place: Place, request: HistoryRequest) -> History:
    """Returns an entry with its earlier versions.

    Raises:
        NotFound: It is not there.
    """
    entry = await found(parts, place, request.id)
    now = parts.clock()
    earlier = await parts.store.history(place.name, request.id, now=now)
    # What was to be forgotten is, though a later version lasts longer.
    kept = [one for one in earlier if alive(one.entry, now) is not None]
    return History(entry, [Version(one.entry, one.until) for one in kept])


async def export(parts: Parts, place: Place, request: ExportRequest) -> AsyncIterator[Entry]:
    """Yields entries in order of their ids."""
    after = request.after
    while True:
        entries = await parts.store.scan(
            place.name, now=parts.clock(), after=after, limit=_PAGE, where=request.where
        )
        for entry in entries:
            yield entry
        if len(entries) < _PAGE:
            return
        after = entries[-1].id


async def stats(parts: Parts, places: list[Place], replica: str, running: int) -> Stats:
    """Returns how full namespaces are, and what the service works with."""
    figures = await parts.store.figures([place.name for place in places], now=parts.clock())
    current = await parts.index.current()
    cache = current.embedder.cache
    return Stats(
        namespaces=[
            NamespaceStats(
                namespace=name,
                entries=one.entries,
                expired=one.expired,
                characters=one.characters,
                sessions=one.sessions,
                langs=one.langs,
                terms=one.terms,
                scopes=one.scopes,
            )
            for name, one in figures.items()
        ],
        store=parts.kind,
        embedder=current.embedding.name,
        dims=current.embedding.dims,
        analyser=version_of(current.analyser.name),
        replica=replica,
        running=running,
        cached=len(cache),
        cache_hits=cache.hits,
        cache_misses=cache.misses,
    )
