"""Entries put, changed, linked and taken over: checked, made findable, stored."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.declared.models import Namespace
from pepperpy_memory_svc.remembering.access import Place
from pepperpy_memory_svc.remembering.index import Current
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.stores.rows import Row
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload, Conflict, NotFound, PermissionDenied
from pepperpy_schemas.memory import LONGEST, Entry, Link, NewEntry, Scope, Term
from pepperpy_schemas.memory_requests import (
    ImportReply,
    ImportRequest,
    LinkRequest,
    PutRequest,
    UpdateRequest,
)
from pepperpy_schemas.tokens import new_id

_SLICE: Final = 64
"""Entries that are made findable together."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Texts and metadata of all entries of one request together, in bytes: they are one transaction."""
_MOST_LINKS: Final = 64
_LAST_SEQ: Final = 2**52
"""Last place in a conversation that an entry may bring: what follows it has to be numbered, too."""
_TRIES: Final = 20
"""How often a link is made anew because the entry was changed in the same moment."""
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


async def put(
    parts: Parts, place: Place, request: PutRequest, *, expected: int | None = None
) -> list[Entry]:
    """Stores new entries, all or none, and returns them as they are stored.

    Args:
        parts: What the service works with.
        place: Where to put them.
        request: The entries.
        expected: The version that must be there of each: 0 for none, None for whatever is.

    Raises:
        BadPayload: A field does not fit; ``context.path`` names it.
        Conflict: One has another version than expected.
    """
    now = parts.clock()
    entries = [
        _new(place, one, f"$.entries[{number}]", now) for number, one in enumerate(request.entries)
    ]
    _refuse_repeated([entry.id for entry in entries])
    _refuse_huge(entries)
    return await _store(parts, place, entries, expected=expected)


async def update(parts: Parts, place: Place, request: UpdateRequest) -> Entry:
    """Changes an entry and returns it as it is stored.

    Raises:
        NotFound: It is not there.
        Conflict: It has another version than expected, or was changed in the same moment.
    """
    before = await found(parts, place, request.id)
    now = parts.clock()
    changed = msgspec.structs.replace(before, **_changes(place, before, request, now))
    check(changed, place.declared, "$")
    expected = before.version if request.expected is None else request.expected
    if request.text is None and request.lang is None:
        row = Row(entry=changed, vectors=None, lexemes=None, expected=expected)
        return (await parts.store.put(place.name, [row], now=now))[0]
    return (await _store(parts, place, [changed], expected=expected))[0]


async def link(parts: Parts, place: Place, request: LinkRequest) -> Entry:
    """Makes or removes a link and returns the entry that links.

    Raises:
        NotFound: One of both entries is not there.
        Conflict: Others change it all the time.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(Conflict):
            return await _linked(parts, place, request)
    return await _linked(parts, place, request)


async def _linked(parts: Parts, place: Place, request: LinkRequest) -> Entry:
    before = await found(parts, place, request.id)
    if not request.remove:
        await found(parts, place, request.to)
    wanted = Link(request.to, request.kind)
    links = [one for one in before.links if one != wanted]
    if not request.remove:
        links.append(wanted)
    if len(links) > _MOST_LINKS:
        raise BadPayload(
            f"$.to: {request.id} has {_MOST_LINKS} links already", context={"path": "$.to"}
        )
    if links == before.links:
        return before
    changed = UpdateRequest(id=request.id, expected=before.version, links=links)
    return await update(parts, place, changed)


async def take_over(parts: Parts, place: Place, request: ImportRequest) -> ImportReply:
    """Stores entries of an export as they were, but for whose they are.

    Versions go on where nothing is, so that nobody takes an entry for what it was before.
    What somebody else vouched for is trusted only if the caller may vouch for it, too.

    Raises:
        BadPayload: A field does not fit; ``context.path`` names it.
    """
    now = parts.clock()
    _refuse_repeated([entry.id for entry in request.entries])
    for number, entry in enumerate(request.entries):
        check(entry, place.declared, f"$.entries[{number}]")
        _check_order(entry, f"$.entries[{number}]")
    _refuse_huge(request.entries)
    entries = [
        msgspec.structs.replace(
            one,
            namespace=place.name,
            by=place.principal,
            trusted=one.trusted and place.vouches,
        )
        for one in request.entries
        if one.expires is None or one.expires > now
    ]
    if entries:
        await _store(parts, place, entries)
    return ImportReply(imported=len(entries), expired=len(request.entries) - len(entries))


async def found(parts: Parts, place: Place, id_: str) -> Entry:
    """Returns an entry that has to be there.

    Raises:
        NotFound: It is not.
    """
    there = await parts.store.get(place.name, [id_], now=parts.clock())
    if id_ not in there:
        raise NotFound(f"there is no entry {id_}", context={"id": id_, "path": "$.id"})
    return there[id_]


# --- entries ------------------------------------------------------------------------------------


def check(entry: Entry, declared: Namespace, path: str) -> None:
    """Refuses an entry that does not fit its namespace.

    Raises:
        BadPayload: A field does not fit; ``context.path`` names it.
    """
    check_scope(entry.scope, entry.session, entry.agent, path)
    for number, one in enumerate(entry.links):
        # The pattern of an id lets a line feed pass at its end.
        if one.to.endswith("\n"):
            where = f"{path}.links[{number}].to"
            raise BadPayload(f"{where}: {one.to!r} is no id", context={"path": where})
    _check_size(f"{path}.text", _text_size(entry), declared.limits.text)
    _check_size(f"{path}.metadata", len(encode(entry.metadata)), declared.limits.metadata)


def _text_size(entry: Entry) -> int:
    return len(entry.text.encode("utf-8", "surrogatepass"))


def _refuse_huge(entries: Sequence[Entry]) -> None:
    size = sum(_text_size(entry) + len(encode(entry.metadata)) for entry in entries)
    if size > MOST_BYTES:
        raise BadPayload(
            f"$.entries: they have {size} bytes of text and metadata, at most {MOST_BYTES} are"
            " allowed in one request",
            hint="send fewer at once",
            context={"path": "$.entries", "size": size, "limit": MOST_BYTES},
        )


def check_scope(scope: Scope, session: str, agent: str, path: str) -> None:
    """Refuses an entry of a scope without whom it is for."""
    for name, value in (("session", session), ("agent", agent)):
        if scope == name and not value:
            raise BadPayload(
                f"{path}.{name}: an entry of scope {scope} needs it",
                hint=f"name the {name}, or use scope global",
                context={"path": f"{path}.{name}"},
            )


def _check_size(path: str, size: int, most: int) -> None:
    if size > most:
        raise BadPayload(
            f"{path}: it has {size} bytes, at most {most} are allowed",
            hint="split it into several entries",
            context={"path": path, "size": size, "limit": most},
        )


def check_vouching(place: Place, trusted: bool | None, path: str) -> None:
    """Refuses the mark of trust of somebody who may not give it.

    Raises:
        PermissionDenied: The namespace's declaration does not name the caller for that.
    """
    if trusted and not place.vouches:
        raise PermissionDenied(
            f"{path}.trusted: {place.principal} may not vouch for entries of {place.name}",
            hint="leave it out, or have the memory's declaration name you in `vouchers`",
            context={"path": f"{path}.trusted"},
        )


def _check_order(entry: Entry, path: str) -> None:
    if entry.seq > _LAST_SEQ:
        raise BadPayload(f"{path}.seq: it is above {_LAST_SEQ}", context={"path": f"{path}.seq"})
    for earlier, later in (("created", "updated"), ("updated", "expires")):
        first, last = getattr(entry, earlier), getattr(entry, later)
        if last is not None and last < first:
            raise BadPayload(
                f"{path}.{later}: it is before {earlier}", context={"path": f"{path}.{later}"}
            )


def _new(place: Place, one: NewEntry, path: str, now: datetime) -> Entry:
    check_vouching(place, one.trusted, path)
    seconds = _seconds(place.declared, one.ttl, one.term)
    entry = Entry(
        id=one.id or new_id(),
        namespace=place.name,
        text=one.text,
        scope=one.scope,
        session=one.session,
        agent=one.agent,
        term=one.term,
        lang=one.lang,
        importance=one.importance,
        metadata=one.metadata,
        links=one.links,
        source=one.source,
        trusted=one.trusted,
        by=place.principal,
        at=one.at or now,
        created=now,
        updated=now,
        expires=expiry(seconds, now),
        ttl=seconds if one.refresh else None,
    )
    check(entry, place.declared, path)
    return entry


def _changes(place: Place, before: Entry, request: UpdateRequest, now: datetime) -> dict[str, Any]:
    check_vouching(place, request.trusted, "$")
    names = ("text", "term", "importance", "metadata", "links", "source", "trusted", "at", "lang")
    said = {name: getattr(request, name) for name in names}
    changes = {name: value for name, value in said.items() if value is not None}
    if request.text is not None:
        changes.setdefault("lang", "")
    rewritten = request.text is not None or request.source is not None
    if rewritten and request.trusted is None and not place.vouches:
        # Who vouched for it did so for what it said, and where from.
        changes["trusted"] = False
    return changes | _lasting(place, before, request, now) | {"by": place.principal, "updated": now}


def _lasting(place: Place, before: Entry, request: UpdateRequest, now: datetime) -> dict[str, Any]:
    """How long it lasts from now on; an entry that reading renews is renewed by a change, too."""
    refresh = before.ttl is not None if request.refresh is None else request.refresh
    if request.term is not None or request.ttl is not None:
        seconds = _seconds(place.declared, request.ttl, request.term or before.term)
    elif not refresh:
        return {"ttl": None}
    elif before.ttl is None and before.expires is not None:
        raise BadPayload(
            "$.ttl is missing: how long reading shall make it last", context={"path": "$.ttl"}
        )
    else:
        seconds = before.ttl
    return {"expires": expiry(seconds, now), "ttl": seconds if refresh else None}


def _seconds(declared: Namespace, ttl: float | None, term: Term) -> float | None:
    """How long an entry lasts; what is longer than an entry can say lasts that long."""
    seconds = ttl or declared.terms.seconds(term)
    return None if seconds is None else min(seconds, LONGEST)


def expiry(seconds: float | None, now: datetime) -> datetime | None:
    """Returns when an entry that lasts so long expires; None for never."""
    if seconds is None:
        return None
    return _LAST if seconds >= (_LAST - now).total_seconds() else now + timedelta(seconds=seconds)


def _refuse_repeated(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for number, id_ in enumerate(ids):
        if id_ in seen:
            path = f"$.entries[{number}].id"
            raise BadPayload(f"{path}: {id_} is there twice", context={"path": path})
        seen.add(id_)


async def _store(
    parts: Parts, place: Place, entries: Sequence[Entry], *, expected: int | None = None
) -> list[Entry]:
    async def work(current: Current) -> list[Entry]:
        rows: list[Row] = []
        for start in range(0, len(entries), _SLICE):
            some = entries[start : start + _SLICE]
            rows += await parts.index.rows(current, place.name, some)
        if expected is not None:
            rows = [msgspec.structs.replace(row, expected=expected) for row in rows]
        return await parts.store.put(place.name, rows, now=parts.clock())

    return await parts.index.agreed(work)
