"""The memory service on the bus: every operation from a request to its answer."""

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Final

from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_memory_svc.remembering import ingesting, reading, searching, writing
from pepperpy_memory_svc.remembering.access import Place, is_one_of, place, places
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.signs_of_life import with_signs_of_life
from pepperpy_memory_svc.remembering.telling import tell
from pepperpy_schemas.errors import BadPayload, PermissionDenied
from pepperpy_schemas.memory import Entry, SearchReply, SearchRequest
from pepperpy_schemas.memory_ingest import IngestProgress, IngestRequest
from pepperpy_schemas.memory_requests import (
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

NAME: Final = "memory"
"""The service's name on the bus."""


class Memory:
    """Answers every operation.

    Args:
        parts: Returns what requests are answered with; a new declaration replaces it.
        replica: Id of this replica.
    """

    def __init__(self, parts: Callable[[], Parts], *, replica: str) -> None:
        self._in_force = parts
        self._replica = replica
        self.running = 0

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for `pepperpy_bus.services.service.Service`."""
        rows = (
            ("put", PutRequest, Entries, self.put, "Remember entries."),
            ("get", GetRequest, Entries, self.get, "Show entries by their ids."),
            ("update", UpdateRequest, Entry, self.update, "Change an entry."),
            ("delete", DeleteRequest, DeleteReply, self.delete, "Forget entries."),
            ("search", SearchRequest, SearchReply, self.search, "Find what answers a question."),
            ("similar", SearchRequest, SearchReply, self.similar, "Find what is like an entry."),
            ("link", LinkRequest, Entry, self.link, "Link an entry to another one, or unlink."),
            ("history", HistoryRequest, History, self.history, "Show what an entry was before."),
            ("stats", StatsRequest, Stats, self.stats, "Show how full the memory is."),
            ("export", ExportRequest, Entry, self.export, "Hand out entries one by one."),
            ("reindex", ReindexRequest, ReindexProgress, self.reindex, "Make all vectors anew."),
            ("import", ImportRequest, ImportReply, self.take_over, "Take over exported entries."),
            ("ingest", IngestRequest, IngestProgress, self.ingest, "Take in a file in passages."),
        )
        return [
            Endpoint(
                op=op,
                request=request,
                reply=reply,
                handler=handler,
                doc=doc,
                # Nobody works for hours for a caller that is gone.
                probe=reply if reply in (ReindexProgress, IngestProgress) else None,
            )
            for op, request, reply, handler, doc in rows
        ]

    async def put(self, request: PutRequest, call: Call) -> Entries:
        """Stores new entries."""
        with self._counted():
            where = self._place(call, request.namespace)
            entries = await writing.put(self._parts, where, request)
            await self._tell("put", where, call, count=len(entries))
            return Entries(entries)

    async def get(self, request: GetRequest, call: Call) -> Entries:
        """Returns the entries that are there."""
        with self._counted():
            where = self._place(call, request.namespace)
            return Entries(await reading.get(self._parts, where, request))

    async def update(self, request: UpdateRequest, call: Call) -> Entry:
        """Changes an entry."""
        with self._counted():
            where = self._place(call, request.namespace)
            entry = await writing.update(self._parts, where, request)
            await self._tell("updated", where, call, count=1)
            return entry

    async def delete(self, request: DeleteRequest, call: Call) -> DeleteReply:
        """Forgets entries."""
        with self._counted():
            where = self._place(call, request.namespace)
            reply = await reading.delete(self._parts, where, request)
            await self._tell("deleted", where, call, count=reply.deleted)
            return reply

    async def search(self, request: SearchRequest, call: Call) -> SearchReply:
        """Finds what answers a question."""
        with self._counted():
            where = self._place(call, request.namespace)
            began = time.monotonic()
            reply = await searching.search(self._parts, where, request)
            ms = round((time.monotonic() - began) * 1000, 3)
            count = len(reply.hits)
            await self._tell("searched", where, call, count=count, mode=request.mode, ms=ms)
            return reply

    async def similar(self, request: SearchRequest, call: Call) -> SearchReply:
        """Finds what is like an entry."""
        if request.like is None:
            raise BadPayload("$.like is missing", hint="name an entry", context={"path": "$.like"})
        return await self.search(request, call)

    async def link(self, request: LinkRequest, call: Call) -> Entry:
        """Links an entry to another one."""
        with self._counted():
            where = self._place(call, request.namespace)
            entry = await writing.link(self._parts, where, request)
            await self._tell("updated", where, call, count=1)
            return entry

    async def history(self, request: HistoryRequest, call: Call) -> History:
        """Returns an entry with its earlier versions."""
        with self._counted():
            where = self._place(call, request.namespace)
            return await reading.history(self._parts, where, request)

    async def stats(self, request: StatsRequest, call: Call) -> Stats:
        """Returns how full the memory is."""
        usable = places(self._parts.declaration, call.principal)
        if request.namespace:
            usable = [self._place(call, request.namespace)]
        return await reading.stats(self._parts, usable, self._replica, self.running)

    async def export(self, request: ExportRequest, call: Call) -> AsyncIterator[Entry]:
        """Yields entries one after the other."""
        with self._counted():
            where = self._place(call, request.namespace)
            async for entry in reading.export(self._parts, where, request):
                yield entry

    async def reindex(self, request: ReindexRequest, call: Call) -> AsyncIterator[ReindexProgress]:
        """Makes all vectors anew by another embedder, and yields how far that is.

        Raises:
            PermissionDenied: It concerns all namespaces, and the declaration does not name the
                caller for that.
        """
        named = self._parts.declaration.reindexers
        if not is_one_of(call.principal, named):
            raise PermissionDenied(
                f"{call.principal} may not re-index: it concerns all namespaces",
                hint="`reindexers` of the memory's declaration names who may",
            )
        with self._counted():
            items = with_signs_of_life(self._made_anew(request))
            async with contextlib.aclosing(items):
                async for one in items:
                    yield one
            await tell(self._parts.emitter, "reindexed", "all", call, embedder=request.embedder)

    async def _made_anew(self, request: ReindexRequest) -> AsyncGenerator[ReindexProgress, None]:
        parts = self._parts
        figures = await parts.store.figures(list(parts.declaration.namespaces), now=parts.clock())
        entries = sum(one.entries for one in figures.values())
        # A large model takes its time until it is there.
        yield ReindexProgress(0, entries, request.embedder, left=entries)
        async for made, done, left in parts.index.reindex(request.embedder, parts.clock):
            current = made.state == "current"
            yield ReindexProgress(done, entries, made.name, current, left)

    async def ingest(self, request: IngestRequest, call: Call) -> AsyncIterator[IngestProgress]:
        """Takes in a file, and yields how far that is."""
        with self._counted():
            where = self._place(call, request.namespace)
            last = IngestProgress()
            items = with_signs_of_life(ingesting.ingest(self._parts, where, request))
            async with contextlib.aclosing(items):
                async for last in items:
                    yield last
            if last.new or last.moved or last.removed:
                said = {"count": last.new, "moved": last.moved, "removed": last.removed}
                await self._tell("ingested", where, call, **said)

    async def take_over(self, request: ImportRequest, call: Call) -> ImportReply:
        """Stores entries of an export."""
        with self._counted():
            where = self._place(call, request.namespace)
            reply = await writing.take_over(self._parts, where, request)
            await self._tell("put", where, call, count=reply.imported)
            return reply

    # --- around them ----------------------------------------------------------------------------

    @property
    def _parts(self) -> Parts:
        return self._in_force()

    def _place(self, call: Call, namespace: str) -> Place:
        return place(self._parts.declaration, call.principal, namespace)

    async def _tell(self, verb: str, where: Place, call: Call, **values: object) -> None:
        await tell(self._parts.emitter, verb, where.name, call, **values)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
