"""Qdrant inside of this process: the server's engine, one shard in a folder, in one thread."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import qdrant_edge as edge

from pepperpy_memory_svc.stores.qdrant import edge_forms as forms
from pepperpy_memory_svc.stores.qdrant import filters
from pepperpy_memory_svc.stores.qdrant.engine import (
    Dense,
    Fields,
    Hit,
    Index,
    Page,
    Point,
    Sparse,
)
from pepperpy_memory_svc.stores.qdrant.filters import ALL, Filter
from pepperpy_memory_svc.stores.qdrant.points import INDEXES
from pepperpy_memory_svc.stores.qdrant.translating import failed
from pepperpy_schemas.errors import BadConfig, PepperError

T = TypeVar("T")

_MOST_VALUES: Final = 1_000_000
_EF: Final = 128
_UNUSED: Final = "unused"
"""A shard has to begin with a vector; the others come with the generations."""
_OURS: Final = frozenset({"segments", "wal"})
"""What a shard has in its folder beside the file that says that it is whole."""
_INDEXED_FROM: Final = 30_000
"""KB of vectors in a segment from which `optimize` builds a graph: fewer are compared as soon."""


class EdgeEngine:
    """An `Engine` of qdrant-edge.

    It is optimised, which builds the graphs of its vectors, when it is opened and at no other time:
    qdrant-edge lets nothing of the process run meanwhile.

    Args:
        folder: Where its data is.
        indexed_from: KB of vectors from which a graph is built; a folder keeps what it began with.
    """

    exclusive = True
    exact = False

    def __init__(self, folder: Path, *, indexed_from: int = _INDEXED_FROM) -> None:
        self._folder = folder
        self._indexed_from = indexed_from
        self._shard: edge.EdgeShard | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qdrant-edge")

    async def __aenter__(self) -> Self:
        try:
            await self._run(self._load)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    def _load(self) -> None:
        if (self._folder / "edge_config.json").exists():
            self._shard = edge.EdgeShard.load(str(self._folder))
            self._shard.optimize()
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._refuse_others()
            config = edge.EdgeConfig(
                sparse_vectors={_UNUSED: edge.EdgeSparseVectorParams()},
                optimizers=edge.EdgeOptimizersConfig(indexing_threshold=self._indexed_from),
            )
            self._shard = edge.EdgeShard.create(str(self._folder), config)
        known = self._shard.info().payload_schema
        for key, index in INDEXES.items():
            if key not in known:
                self._update(edge.UpdateOperation.create_field_index(key, forms.schema_of(index)))

    def _refuse_others(self) -> None:
        """Refuses a folder with other things in it than a shard that was begun and not finished."""
        others = sorted({each.name for each in self._folder.iterdir()} - _OURS)
        if others:
            raise BadConfig(
                f"there are other things in the folder {self._folder}: {', '.join(others[:3])}",
                hint="give an empty folder, or one that is not there yet",
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            await self._run(shard.close)
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        """Returns what a function returns; who leaves does not stop it."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        except PepperError:
            raise
        except Exception as error:
            # It raises nothing but bare exceptions.
            raise failed(error) from error

    @property
    def _open(self) -> edge.EdgeShard:
        assert self._shard is not None, "the store is not open"
        return self._shard

    def _update(self, operation: edge.UpdateOperation) -> None:
        self._open.update(operation)

    async def ping(self) -> None:
        """See `Engine.ping`."""
        await self._run(self._open.info)

    # -- what there is room for --------------------------------------------------------------------

    async def add_dense(self, name: str, dims: int) -> None:
        """See `Engine.add_dense`."""
        operation = edge.UpdateOperation.create_dense_vector(name, dims, edge.Distance.Dot)
        await self._run(self._update, operation)

    async def add_sparse(self, name: str) -> None:
        """See `Engine.add_sparse`."""
        await self._run(self._update, edge.UpdateOperation.create_sparse_vector(name))

    async def drop_vector(self, name: str) -> None:
        """See `Engine.drop_vector`."""
        await self._run(self._update, edge.UpdateOperation.delete_vector_name(name))

    async def add_index(self, key: str, index: Index) -> None:
        """See `Engine.add_index`."""
        operation = edge.UpdateOperation.create_field_index(key, forms.schema_of(index))
        await self._run(self._update, operation)

    async def drop_index(self, key: str) -> None:
        """See `Engine.drop_index`."""
        await self._run(self._update, edge.UpdateOperation.delete_field_index(key))

    # -- reading -----------------------------------------------------------------------------------

    async def read(
        self,
        ids: Sequence[str],
        fields: Sequence[str] | bool,
        vectors: Sequence[str] | bool = False,
    ) -> list[Point]:
        """See `Engine.read`."""
        asked: Any = list(ids)
        found = await self._run(self._open.retrieve, asked, fields, vectors)
        return [forms.point_of(each) for each in found]

    async def scroll(
        self, where: Filter, fields: Sequence[str], limit: int, begin: str | None = None
    ) -> Page:
        """See `Engine.scroll`."""
        request = edge.ScrollRequest(
            offset=begin, limit=limit, filter=forms.filter_of(where), with_payload=list(fields)
        )
        found, following = await self._run(self._open.scroll, request)
        return Page(
            [forms.point_of(each) for each in found], None if following is None else str(following)
        )

    async def ordered(
        self, where: Filter, fields: Sequence[str], limit: int, by: str, *, last_first: bool = False
    ) -> list[Point]:
        """See `Engine.ordered`."""
        direction = edge.Direction.Desc if last_first else edge.Direction.Asc
        request = edge.ScrollRequest(
            limit=limit,
            filter=forms.filter_of(where),
            with_payload=list(fields),
            order_by=edge.OrderBy(by, direction),
        )
        found, _ = await self._run(self._open.scroll, request)
        return [forms.point_of(each) for each in found]

    async def search(
        self,
        name: str,
        vector: Dense | Sparse,
        where: Filter,
        limit: int,
        fields: Sequence[str],
        *,
        exact: bool = False,
    ) -> list[Hit]:
        """See `Engine.search`."""
        request = edge.QueryRequest(
            limit,
            query=edge.Query.Nearest(forms.vector_of(vector), using=name),
            filter=forms.filter_of(where),
            with_payload=list(fields),
            params=edge.SearchParams(hnsw_ef=max(_EF, 2 * limit), exact=exact),
        )
        found = await self._run(self._open.query, request)
        return [Hit(Point(str(each.id), each.payload or {}), each.score) for each in found]

    async def count(self, where: Filter) -> int:
        """See `Engine.count`."""
        return await self._run(self._open.count, edge.CountRequest(True, forms.filter_of(where)))

    async def counts(self, key: str, where: Filter) -> dict[str | int, int]:
        """See `Engine.counts`."""
        request = edge.FacetRequest(key, _MOST_VALUES, True, forms.filter_of(where))
        found = await self._run(self._open.facet, request)
        return {each.value: each.count for each in found.hits}

    async def tally(self, key: str, values: Sequence[int]) -> dict[int, int]:
        """See `Engine.tally`."""

        def tally() -> dict[int, int]:
            wanted = {each: forms.filter_of(filters.Has(key, [each])) for each in values}
            requests = {each: edge.CountRequest(True, where) for each, where in wanted.items()}
            return {each: self._open.count(request) for each, request in requests.items()}

        return await self._run(tally)

    # -- writing -----------------------------------------------------------------------------------

    async def write(
        self, points: Sequence[Point], *, over: Filter | None = None, insert: bool = True
    ) -> None:
        """See `Engine.write`."""
        condition = None if over is None else forms.filter_of(over)
        mode = edge.UpdateMode.Upsert if insert else edge.UpdateMode.UpdateOnly

        def write() -> None:
            structs = [forms.struct_of(each) for each in points]
            self._update(edge.UpdateOperation.upsert_points(structs, condition, mode))

        await self._run(write)

    async def assign(self, fields: Fields, where: Filter) -> None:
        """See `Engine.assign`."""
        operation = edge.UpdateOperation.set_payload_by_filter(forms.filter_of(where), fields)
        await self._run(self._update, operation)

    async def clear(self, keys: Sequence[str]) -> None:
        """See `Engine.clear`."""
        operation = edge.UpdateOperation.delete_payload_by_filter(forms.filter_of(ALL), list(keys))
        await self._run(self._update, operation)

    async def remove(self, where: Filter) -> None:
        """See `Engine.remove`."""
        if isinstance(where, filters.Named):
            ids: Any = list(where.ids)
            operation = edge.UpdateOperation.delete_points(ids)
        else:
            operation = edge.UpdateOperation.delete_points_by_filter(forms.filter_of(where))
        await self._run(self._update, operation)
