"""The memory as callers use it: one service on the bus, whoever stores what it remembers."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, Unpack

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm.order import PATIENCE
from pepperpy_bus.llm.starting import START, Starting
from pepperpy_bus.memory.options import Changes, EntryOptions, SearchOptions
from pepperpy_bus.services.asking import place_of
from pepperpy_bus.services.service import call, call_stream
from pepperpy_bus.streams.blobs import THRESHOLD, Blobs
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.catalog.memory import (
    MEMORY_DELETE,
    MEMORY_EXPORT,
    MEMORY_GET,
    MEMORY_HISTORY,
    MEMORY_IMPORT,
    MEMORY_INGEST,
    MEMORY_LINK,
    MEMORY_PUT,
    MEMORY_REINDEX,
    MEMORY_SEARCH,
    MEMORY_SIMILAR,
    MEMORY_STATS,
    MEMORY_UPDATE,
)
from pepperpy_schemas.codec import convert, encode
from pepperpy_schemas.errors import NotFound, Unavailable
from pepperpy_schemas.memory import Condition, Entry, NewEntry, SearchReply, SearchRequest
from pepperpy_schemas.memory_ingest import IngestProgress, IngestRequest
from pepperpy_schemas.memory_requests import (
    MAX_BATCH,
    DeleteReply,
    DeleteRequest,
    Entries,
    ExportRequest,
    GetRequest,
    History,
    HistoryRequest,
    ImportReply,
    ImportRequest,
    LinkRequest,
    PutRequest,
    ReindexProgress,
    ReindexRequest,
    Stats,
    StatsRequest,
    UpdateRequest,
)
from pepperpy_schemas.subjects import Subject

TIMEOUT: Final = "30s"
LONG: Final = "5m"
"""For many entries at once: each is embedded."""
ALIVE: Final = "1m"
"""Without a sign of life from a service that is at long work, and that may have no slot yet."""
WRITES: Final = frozenset({"put", "update", "delete", "link", "import", "reindex", "ingest"})
"""The operations that change something."""

_BATCH: Final = 4 * 1024 * 1024
"""Bytes of the entries that are sent at once; a single one may have more."""

T = TypeVar("T")
Gate: TypeAlias = Callable[[str, float], float]
"""Takes an operation and the seconds that it may take; returns how many it is given."""
Given: TypeAlias = str | NewEntry | Mapping[str, Any]
"""An entry as its text, as a `NewEntry`, or as what its JSON would be."""


class Memory:
    """The memory of one caller.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        principal: The caller's own name; permissions refuse any other.
        threshold: Bytes above which a request travels by reference.
        namespace: The namespace of every request; the caller's own by default.
        session: The conversation of every entry and search that names none.
        agent: The agent of every entry and search that names none.
        gate: Says how long each operation may take, or refuses it.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        principal: str,
        *,
        threshold: int = THRESHOLD,
        namespace: str = "",
        session: str = "",
        agent: str = "",
        gate: Gate | None = None,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._principal = principal
        self._threshold = threshold
        self._namespace = namespace
        self._whose = {"session": session, "agent": agent}
        self._gate = gate or _open

    def within(
        self,
        *,
        namespace: str | None = None,
        session: str | None = None,
        agent: str | None = None,
        gate: Gate | None = None,
    ) -> "Memory":
        """Returns the same, with other defaults.

        Args:
            namespace: The namespace of every request.
            session: The conversation of every entry and search that names none.
            agent: The agent of every entry and search that names none.
            gate: Says how long each operation may take, or refuses it.
        """
        return Memory(
            self._connection,
            self._prefix,
            self._principal,
            threshold=self._threshold,
            namespace=self._namespace if namespace is None else namespace,
            session=self._whose["session"] if session is None else session,
            agent=self._whose["agent"] if agent is None else agent,
            gate=gate or self._gate,
        )

    # --- writing --------------------------------------------------------------------------------

    async def put(
        self, text: str, *, timeout: Duration = TIMEOUT, **options: Unpack[EntryOptions]
    ) -> Entry:
        """Remembers something and returns the entry.

        Args:
            text: What it is.
            timeout: How long it may take.
            **options: See `EntryOptions`.

        Raises:
            BadPayload: A field does not fit; ``context.path`` names it.
        """
        return (await self.put_many([{"text": text, **options}], timeout=timeout))[0]

    async def put_many(self, entries: Sequence[Given], *, timeout: Duration = LONG) -> list[Entry]:
        """Remembers at most 1000 entries, all of them or none, and returns them in their order."""
        said = {"entries": [self._entry(one) for one in entries], "namespace": self._namespace}
        request = convert(said, PutRequest)
        return (await self._call(MEMORY_PUT, request, Entries, timeout)).entries

    async def update(
        self,
        id: str,  # noqa: A002 - as in Entry
        *,
        timeout: Duration = TIMEOUT,
        **changes: Unpack[Changes],
    ) -> Entry:
        """Changes an entry and returns it.

        Args:
            id: Its id.
            timeout: How long it may take.
            **changes: See `Changes`; what is not said stays as it is.

        Raises:
            NotFound: It is not there.
            Conflict: It has another version than expected.
        """
        _refuse_unknown(changes, UpdateRequest, "an entry")
        request = convert({"id": id, "namespace": self._namespace, **changes}, UpdateRequest)
        return await self._call(MEMORY_UPDATE, request, Entry, timeout)

    async def delete(
        self,
        *ids: str,
        where: Condition | Mapping[str, Any] | None = None,
        timeout: Duration = TIMEOUT,
    ) -> int:
        """Forgets entries by id, or all that fulfil a condition; returns how many were there."""
        said = {"ids": ids, "where": where, "namespace": self._namespace}
        request = convert(said, DeleteRequest)
        return (await self._call(MEMORY_DELETE, request, DeleteReply, timeout)).deleted

    async def link(
        self,
        id: str,  # noqa: A002 - as in Entry
        to: str,
        *,
        kind: str = "about",
        remove: bool = False,
        timeout: Duration = TIMEOUT,
    ) -> Entry:
        """Links an entry to another one, or takes that link away; returns the entry.

        Raises:
            NotFound: One of both is not there.
        """
        said = {"id": id, "to": to, "kind": kind, "remove": remove, "namespace": self._namespace}
        return await self._call(MEMORY_LINK, convert(said, LinkRequest), Entry, timeout)

    async def import_(
        self,
        entries: AsyncIterable[Entry] | Iterable[Entry],
        *,
        batch: int = 200,
        timeout: Duration = LONG,
    ) -> ImportReply:
        """Takes over entries of an export as they were; those that are there are replaced.

        Args:
            entries: The entries, as many as there are.
            batch: How many are sent at once, at most 1000 and 4 MiB of them; they are stored whole
                or not at all.
            timeout: How long each batch may take.
        """
        done = ImportReply(0)
        async for some in _batches(entries, min(batch, MAX_BATCH)):
            request = ImportRequest(some, self._namespace)
            reply = await self._call(MEMORY_IMPORT, request, ImportReply, timeout)
            done = ImportReply(done.imported + reply.imported, done.expired + reply.expired)
        return done

    # --- reading --------------------------------------------------------------------------------

    async def get(self, id: str, *, touch: bool = True, timeout: Duration = TIMEOUT) -> Entry:  # noqa: A002 - as in Entry
        """Returns an entry.

        Raises:
            NotFound: It is not there.
        """
        found = await self.get_many([id], touch=touch, timeout=timeout)
        if not found:
            raise NotFound(f"there is no entry {id}", context={"id": id})
        return found[0]

    async def get_many(
        self, ids: Sequence[str], *, touch: bool = True, timeout: Duration = TIMEOUT
    ) -> list[Entry]:
        """Returns those of at most 1000 entries that are there."""
        said = {"ids": ids, "namespace": self._namespace, "touch": touch}
        request = convert(said, GetRequest)
        return (await self._call(MEMORY_GET, request, Entries, timeout)).entries

    async def search(
        self, text: str = "", *, timeout: Duration = TIMEOUT, **options: Unpack[SearchOptions]
    ) -> SearchReply:
        """Finds what answers a question, the best first.

        Args:
            text: The question.
            timeout: How long it may take.
            **options: See `SearchOptions`.

        Raises:
            BadPayload: A field does not fit; ``context.path`` names it.
        """
        request = self._search(text, options)
        return await self._call(MEMORY_SEARCH, request, SearchReply, timeout)

    async def similar(
        self,
        id: str,  # noqa: A002 - as in Entry
        *,
        timeout: Duration = TIMEOUT,
        **options: Unpack[SearchOptions],
    ) -> SearchReply:
        """Finds what is like an entry, which is not among the hits itself.

        Raises:
            NotFound: The entry is not there.
        """
        options["like"] = id
        return await self._call(MEMORY_SIMILAR, self._search("", options), SearchReply, timeout)

    async def history(self, id: str, *, timeout: Duration = TIMEOUT) -> History:  # noqa: A002 - as in Entry
        """Returns an entry with its earlier versions.

        Raises:
            NotFound: It is not there.
        """
        request = convert({"id": id, "namespace": self._namespace}, HistoryRequest)
        return await self._call(MEMORY_HISTORY, request, History, timeout)

    async def stats(self, *, timeout: Duration = TIMEOUT) -> Stats:
        """Returns how full the namespaces are that the caller may use."""
        return await self._call(MEMORY_STATS, StatsRequest(self._namespace), Stats, timeout)

    async def export(
        self,
        *,
        where: Condition | Mapping[str, Any] | None = None,
        after: str = "",
        idle: Duration = TIMEOUT,
    ) -> AsyncGenerator[Entry, None]:
        """Yields entries in order of their ids; what ends early ends with an error.

        Args:
            where: A condition that all of them fulfil.
            after: Only those with an id behind this one.
            idle: How long nothing may come.
        """
        said = {"where": where, "namespace": self._namespace, "after": after}
        items = self._stream(MEMORY_EXPORT, convert(said, ExportRequest), Entry, idle)
        async with contextlib.aclosing(items):
            async for entry in items:
                yield entry

    async def reindex(
        self, embedder: str, *, idle: Duration = ALIVE
    ) -> AsyncGenerator[ReindexProgress, None]:
        """Makes all vectors anew by another embedder, and yields how far that is.

        Searches go on with the old vectors until all new ones are there. One that ends early is
        gone on with when it is asked for again; an embedder that was in use before is gone back to.

        Args:
            embedder: The embedder, as settings name it.
            idle: How long nothing may come; the service gives a sign of life every few seconds.

        Raises:
            PermissionDenied: There are namespaces of others; the operator may do it.
        """
        items = self._stream(MEMORY_REINDEX, ReindexRequest(embedder), ReindexProgress, idle)
        async with contextlib.aclosing(items):
            async for item in items:
                yield item

    async def ingest(
        self,
        file: str,
        text: str = "",
        *,
        blob: str = "",
        folder: str = "",
        metadata: Mapping[str, Any] | None = None,
        trusted: bool = False,
        idle: Duration = ALIVE,
    ) -> AsyncGenerator[IngestProgress, None]:
        """Remembers a file in passages that know their lines, and yields how far that is.

        The same file again changes nothing; what is no longer in it is forgotten. One that ends
        early is gone on with when it is asked for again.

        Args:
            file: Its name, by which it is known again.
            text: What is in it.
            blob: Instead of the text a reference to its bytes, of `upload`.
            folder: The folder that it belongs to.
            metadata: Named values of all its passages.
            trusted: Whether its content can be relied on.
            idle: How long nothing may come; the service gives a sign of life every few seconds.

        Raises:
            BadPayload: It is no text.
            TooLarge: It has more than 16 MiB.
            NotFound: Nothing lies where the reference says.
        """
        said = {
            "file": file,
            "text": text,
            "blob": blob,
            "folder": folder,
            "namespace": self._namespace,
            "metadata": dict(metadata or {}),
            "trusted": trusted,
        }
        request = convert(said, IngestRequest)
        items = self._stream(MEMORY_INGEST, request, IngestProgress, idle)
        async with contextlib.aclosing(items):
            async for item in items:
                yield item

    async def upload(self, body: bytes) -> str:
        """Puts a file's bytes where the memory finds them, and returns the reference to them.

        They are sent piece by piece, and are kept for 30 days unless they are discarded.

        Raises:
            TooLarge: They are more than the object store takes at once.
        """
        return await Blobs(self._connection, self._prefix).put(body)

    async def discard(self, blob: str) -> None:
        """Removes uploaded bytes that are not needed any more; harmless when they are gone."""
        await Blobs(self._connection, self._prefix).delete(blob)

    # --- below ----------------------------------------------------------------------------------

    def _entry(self, given: Given) -> NewEntry | dict[str, Any]:
        if isinstance(given, NewEntry):
            return given
        said: Mapping[str, Any] = {"text": given} if isinstance(given, str) else given
        _refuse_unknown(said, NewEntry, "an entry")
        return {**self._whose, **said}

    def _search(self, text: str, options: SearchOptions) -> SearchRequest:
        _refuse_unknown(options, SearchRequest, "a search")
        said = {"text": text, "namespace": self._namespace, **self._whose, **options}
        return convert(said, SearchRequest)

    async def _call(self, subject: Subject[Any], body: object, kind: type[T], time: Duration) -> T:
        service, op = place_of(subject)
        limit = self._gate(op, parse_duration(time))
        starting = Starting(
            min(limit, START),
            self._connection.loop,
            what="nobody remembers anything here",
            hint="start the memory service: pepperpy up, or pepperpy memory run",
        )
        while True:
            try:
                return await call(
                    self._connection,
                    self._prefix,
                    service,
                    op,
                    body,
                    principal=self._principal,
                    type=kind,
                    timeout=limit,
                    patience=PATIENCE,
                    threshold=self._threshold,
                )
            except Unavailable as error:
                await starting.wait(error)

    def _stream(
        self, subject: Subject[Any], body: object, kind: type[T], idle: Duration
    ) -> AsyncGenerator[T, None]:
        service, op = place_of(subject)
        return call_stream(
            self._connection,
            self._prefix,
            service,
            op,
            body,
            principal=self._principal,
            type=kind,
            idle=self._gate(op, parse_duration(idle)),
            threshold=self._threshold,
        )


def _open(op: str, seconds: float) -> float:  # noqa: ARG001 - as other gates
    return seconds


def _refuse_unknown(said: Mapping[str, Any], kind: Any, what: str) -> None:
    unknown = said.keys() - set(kind.__struct_fields__)
    if unknown:
        raise TypeError(f"{what} has no {', '.join(sorted(unknown))}")


async def _batches(
    entries: AsyncIterable[Entry] | Iterable[Entry], size: int
) -> AsyncGenerator[list[Entry], None]:
    some: list[Entry] = []
    left = _BATCH
    async for entry in _each(entries):
        weight = len(encode(entry))
        if some and (len(some) == size or weight > left):
            yield some
            some, left = [], _BATCH
        some.append(entry)
        left -= weight
    if some:
        yield some


async def _each(entries: AsyncIterable[Entry] | Iterable[Entry]) -> AsyncGenerator[Entry, None]:
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield entry
    else:
        for entry in entries:
            yield entry
