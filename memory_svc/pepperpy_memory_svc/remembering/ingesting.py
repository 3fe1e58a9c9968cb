"""A file taken in: each of its passages once, in their lines, and none that is gone from it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from pepperpy_bus.memory.texts import text_of
from pepperpy_memory_svc.ingesting.passages import Passage, passages
from pepperpy_memory_svc.remembering import writing
from pepperpy_memory_svc.remembering.access import Place
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.stores.rows import Row
from pepperpy_schemas.errors import BadPayload, Conflict
from pepperpy_schemas.memory import AllOf, Entry, Eq, NewEntry
from pepperpy_schemas.memory_ingest import INGESTED, IngestProgress, IngestRequest
from pepperpy_schemas.memory_requests import PutRequest

_LEAST: Final = 4
_MOST: Final = 64
"""Passages that are stored together; one embedder takes milliseconds for each, another a second."""
_QUICK: Final = 0.5
_SLOW: Final = 2.0
"""Seconds of a batch below which the next one is larger, and above which it is smaller."""
_PAGE: Final = 500
_TRIES: Final = 5


async def ingest(
    parts: Parts, place: Place, request: IngestRequest
) -> AsyncGenerator[IngestProgress, None]:
    """Takes in a file, and yields how far that is.

    What is new is there before what is gone is forgotten, so that a search finds no less meanwhile.

    Raises:
        BadPayload: It is no text, or its passages do not fit the namespace.
        NotFound: Nothing lies where the reference says.
        PermissionDenied: The caller may not vouch for it.
    """
    writing.check_vouching(place, request.trusted, "$")
    text = await _text(parts, request)
    found = await asyncio.to_thread(lambda: list(passages(request.file, text)))
    progress = IngestProgress(passages=len(found), namespace=place.name)
    yield progress
    size = _LEAST
    while progress.done < len(found):
        some = found[progress.done : progress.done + size]
        began = time.monotonic()
        new, moved = await _put(parts, place, request, some)
        progress = IngestProgress(
            done=progress.done + len(some),
            passages=len(found),
            new=progress.new + new,
            moved=progress.moved + moved,
            namespace=place.name,
        )
        size = _next_size(size, time.monotonic() - began)
        yield progress
    removed = await _forget(parts, place, request.file, {one.id for one in found})
    if removed:
        yield msgspec.structs.replace(progress, removed=removed)


async def _text(parts: Parts, request: IngestRequest) -> str:
    if not request.blob:
        # A NUL is refused here, too.
        return text_of(request.text.encode())
    if request.text:
        raise BadPayload("$.blob: say the text, or where it lies", context={"path": "$.blob"})
    return text_of(await parts.blobs.get(request.blob))


def _next_size(size: int, seconds: float) -> int:
    if seconds < _QUICK:
        return min(_MOST, 2 * size)
    return max(_LEAST, size // 2) if seconds > _SLOW else size


async def _put(
    parts: Parts, place: Place, request: IngestRequest, some: Sequence[Passage]
) -> tuple[int, int]:
    """Stores what is not there as it is now; returns how many are new, and how many moved.

    Who was killed may have left a request that is still at it: what that one has put meanwhile is
    looked at again, and not put a second time.
    """
    for _ in range(_TRIES - 1):
        try:
            return await _put_once(parts, place, request, some)
        except Conflict:
            continue
    return await _put_once(parts, place, request, some)


async def _put_once(
    parts: Parts, place: Place, request: IngestRequest, some: Sequence[Passage]
) -> tuple[int, int]:
    now = parts.clock()
    there = await parts.store.get(place.name, [one.id for one in some], now=now)
    new = [one for one in some if one.id not in there]
    # Anybody can tell the id of a passage: what lies there is it only if it says the same.
    other = [one for one in some if one.id in there and not _is(there[one.id], one)]
    for group, expected in ((new, 0), (other, None)):
        if group:
            entries = [_entry(request, one) for one in group]
            await writing.put(parts, place, PutRequest(entries, place.name), expected=expected)
    moved = [
        row
        for one in some
        if one.id in there
        and one not in other
        and (row := _moved(place, request, one, there[one.id], now))
    ]
    if moved:
        await parts.store.put(place.name, moved, now=now)
    return len(new) + len(other), len(moved)


def _is(entry: Entry, one: Passage) -> bool:
    """Whether an entry is a passage as it was taken in, wherever in its file."""
    return (entry.text, entry.scope, entry.session, entry.agent) == (one.text, "global", "", "")


def _entry(request: IngestRequest, one: Passage) -> NewEntry:
    return NewEntry(
        id=one.id,
        text=one.text,
        source=_source(request.file, one),
        metadata=_metadata(request, one),
        trusted=request.trusted,
    )


def _moved(
    place: Place, request: IngestRequest, one: Passage, before: Entry, now: datetime
) -> Row | None:
    """What changes of a passage whose text is known: neither its vector nor its words."""
    fresh = writing.expiry(place.declared.terms.seconds(before.term), now)
    after = msgspec.structs.replace(
        before,
        source=_source(request.file, one),
        metadata=_metadata(request, one),
        trusted=request.trusted,
        by=place.principal,
        expires=fresh,
    )
    if after == before:
        return None
    writing.check(after, place.declared, "$")
    return Row(
        entry=msgspec.structs.replace(after, updated=now),
        vectors=None,
        lexemes=None,
        expected=before.version,
    )


def _source(file: str, one: Passage) -> str:
    return f"{file}:{one.first}-{one.last}"


def _metadata(request: IngestRequest, one: Passage) -> dict[str, Any]:
    folder = {"folder": request.folder} if request.folder else {}
    place = {"file": request.file, "line": one.first, "last_line": one.last}
    return request.metadata | folder | place | {INGESTED: True}


async def _forget(parts: Parts, place: Place, file: str, kept: set[str]) -> int:
    """Removes the file's passages that are not in it any more; returns how many.

    Notes about the file are no passages of it.
    """
    passages_of_it = AllOf([Eq("metadata.file", file), Eq(f"metadata.{INGESTED}", True)])
    gone: list[str] = []
    after = ""
    while True:
        page = await parts.store.scan(
            place.name,
            now=parts.clock(),
            after=after,
            limit=_PAGE,
            where=passages_of_it,
        )
        gone += [entry.id for entry in page if entry.id not in kept]
        if len(page) < _PAGE:
            break
        after = page[-1].id
    for start in range(0, len(gone), _PAGE):
        await parts.store.delete(place.name, gone[start : start + _PAGE], now=parts.clock())
    return len(gone)
