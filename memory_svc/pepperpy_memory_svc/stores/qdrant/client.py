"""Qdrant through its client: a server by its URL, or the client's own engine in a folder."""

import asyncio
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from pepperpy_memory_svc.stores.addresses import place_of
from pepperpy_memory_svc.stores.qdrant import client_forms as forms
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
from pepperpy_memory_svc.stores.qdrant.translating import translated
from pepperpy_schemas.errors import BadConfig

LEAST_VERSION: Final = (1, 18)
"""From this version on, a server takes further vectors into a collection that is there."""
MAX_REQUEST: Final = 16_000_000
"""Bytes of a request, about; a server refuses those above 32 MB."""

_MOST_VALUES: Final = 1_000_000
_EF: Final = 128
_AT_ONCE: Final = 8


class ClientEngine:
    """An `Engine` of `AsyncQdrantClient`.

    Args:
        collection: The collection's name.
        url: A server's, ``http://host:6333``; None for the client's own engine.
        key: The server's API key.
        folder: Where the client's own engine keeps its data, ``:memory:`` for nowhere.
        timeout: Seconds that a request may take.
    """

    def __init__(
        self,
        collection: str,
        *,
        url: str | None = None,
        key: str | None = None,
        folder: str | None = None,
        timeout: int = 30,
    ) -> None:
        self._name = collection
        self._url, self._key, self._folder = url, key, folder
        self._timeout = timeout
        self._client: AsyncQdrantClient | None = None
        self.exclusive = self.exact = folder is not None

    async def __aenter__(self) -> Self:
        with translated(place_of(self._url or "")):
            self._client = self._connected()
            try:
                await self._prepare()
            except BaseException:
                await self._client.close()
                raise
        return self

    def _connected(self) -> AsyncQdrantClient:
        if self._folder == ":memory:":
            return AsyncQdrantClient(location=":memory:")
        if self._folder is not None:
            return AsyncQdrantClient(path=self._folder)
        with warnings.catch_warnings():
            # It warns of keys that are sent in the clear; whoever writes http means it.
            warnings.simplefilter("ignore", UserWarning)
            return AsyncQdrantClient(
                url=self._url,
                api_key=self._key,
                timeout=self._timeout,
                # Ours is asked beside the event loop, and says what to do.
                check_compatibility=False,
            )

    async def _prepare(self) -> None:
        if self._folder is None:
            _check_version((await self._open.info()).version)
        if not await self._open.collection_exists(self._name):
            with _there_already():
                await self._open.create_collection(self._name, vectors_config={})
        for key, index in INDEXES.items():
            await self.add_index(key, index)

    @property
    def _open(self) -> AsyncQdrantClient:
        assert self._client is not None, "the store is not open"
        return self._client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            with contextlib.suppress(TimeoutError, OSError, ApiException, httpx.HTTPError):
                await asyncio.wait_for(self._client.close(), self._timeout)

    async def ping(self) -> None:
        """See `Engine.ping`."""
        await self._open.collection_exists(self._name)

    # -- what there is room for --------------------------------------------------------------------

    async def add_dense(self, name: str, dims: int) -> None:
        """See `Engine.add_dense`."""
        config = models.DenseVectorConfig(size=dims, distance=models.Distance.DOT)
        await self._add(name, models.DenseVectorNameConfig(dense=config))

    async def add_sparse(self, name: str) -> None:
        """See `Engine.add_sparse`."""
        await self._add(name, models.SparseVectorNameConfig(sparse=models.SparseVectorConfig()))

    async def _add(
        self, name: str, config: models.DenseVectorNameConfig | models.SparseVectorNameConfig
    ) -> None:
        with _there_already():
            await self._open.create_vector_name(self._name, name, config)

    async def drop_vector(self, name: str) -> None:
        """See `Engine.drop_vector`."""
        await self._open.delete_vector_name(self._name, name)

    async def add_index(self, key: str, index: Index) -> None:
        """See `Engine.add_index`."""
        if self._folder is None:
            await self._open.create_payload_index(
                self._name, key, forms.schema_of(index), wait=True
            )

    async def drop_index(self, key: str) -> None:
        """See `Engine.drop_index`."""
        if self._folder is None:
            await self._open.delete_payload_index(self._name, key, wait=True)

    # -- reading -----------------------------------------------------------------------------------

    async def read(
        self,
        ids: Sequence[str],
        fields: Sequence[str] | bool,
        vectors: Sequence[str] | bool = False,
    ) -> list[Point]:
        """See `Engine.read`."""
        found = await self._open.retrieve(
            self._name,
            list(ids),
            with_payload=_listed(fields),
            with_vectors=_listed(vectors),
        )
        return [forms.point_of(each) for each in found]

    async def scroll(
        self, where: Filter, fields: Sequence[str], limit: int, begin: str | None = None
    ) -> Page:
        """See `Engine.scroll`."""
        found, following = await self._open.scroll(
            self._name,
            scroll_filter=forms.filter_of(where),
            limit=limit,
            offset=begin,
            with_payload=list(fields),
        )
        return Page(
            [forms.point_of(each) for each in found], None if following is None else str(following)
        )

    async def ordered(
        self, where: Filter, fields: Sequence[str], limit: int, by: str, *, last_first: bool = False
    ) -> list[Point]:
        """See `Engine.ordered`."""
        direction = models.Direction.DESC if last_first else models.Direction.ASC
        found, _ = await self._open.scroll(
            self._name,
            scroll_filter=forms.filter_of(where),
            limit=limit,
            order_by=models.OrderBy(key=by, direction=direction),
            with_payload=list(fields),
        )
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
        parameters = None
        if not self.exact and not isinstance(vector, Sparse):
            parameters = models.SearchParams(hnsw_ef=max(_EF, 2 * limit), exact=exact)
        found = await self._open.query_points(
            self._name,
            query=forms.vector_of(vector),
            using=name,
            query_filter=forms.filter_of(where),
            limit=limit,
            search_params=parameters,
            with_payload=list(fields),
        )
        return [Hit(forms.point_of(each), each.score) for each in found.points]

    async def count(self, where: Filter) -> int:
        """See `Engine.count`."""
        found = await self._open.count(self._name, count_filter=forms.filter_of(where), exact=True)
        return found.count

    async def counts(self, key: str, where: Filter) -> dict[str | int, int]:
        """See `Engine.counts`."""
        found = await self._open.facet(
            self._name, key, facet_filter=forms.filter_of(where), limit=_MOST_VALUES, exact=True
        )
        return {each.value: each.count for each in found.hits}

    async def tally(self, key: str, values: Sequence[int]) -> dict[int, int]:
        """See `Engine.tally`."""
        wanted = [filters.Has(key, [each]) for each in values]
        numbers: list[int] = []
        for begin in range(0, len(wanted), _AT_ONCE):
            part = wanted[begin : begin + _AT_ONCE]
            numbers += await asyncio.gather(*(self.count(each) for each in part))
        return dict(zip(values, numbers, strict=True))

    # -- writing -----------------------------------------------------------------------------------

    async def write(
        self, points: Sequence[Point], *, over: Filter | None = None, insert: bool = True
    ) -> None:
        """See `Engine.write`; what is larger than a request may be is several operations."""
        for part in self._parts(points):
            await self._open.upsert(
                self._name,
                [forms.struct_of(each) for each in part],
                wait=True,
                update_filter=None if over is None else forms.filter_of(over),
                update_mode=None if insert else models.UpdateMode.UPDATE_ONLY,
            )

    def _parts(self, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
        if self._folder is not None:
            yield points
            return
        begin = size = 0
        for place, each in enumerate(points):
            own = forms.size_of(each)
            if place > begin and size + own > MAX_REQUEST:
                yield points[begin:place]
                begin, size = place, 0
            size += own
        yield points[begin:]

    async def assign(self, fields: Fields, where: Filter) -> None:
        """See `Engine.assign`."""
        await self._open.set_payload(self._name, fields, forms.chosen_by(where), wait=True)

    async def clear(self, keys: Sequence[str]) -> None:
        """See `Engine.clear`."""
        await self._open.delete_payload(self._name, list(keys), forms.chosen_by(ALL), wait=True)

    async def remove(self, where: Filter) -> None:
        """See `Engine.remove`."""
        await self._open.delete(self._name, forms.chosen_by(where), wait=True)


@contextlib.contextmanager
def _there_already() -> Iterator[None]:
    """Passes over that another process made it before us."""
    try:
        yield
    except UnexpectedResponse as error:
        if b"already exists" not in error.content:
            raise


def _listed(names: Sequence[str] | bool) -> list[str] | bool:
    return names if isinstance(names, bool) else list(names)


def _check_version(version: str) -> None:
    numbers = tuple(int(each) for each in version.split("-", maxsplit=1)[0].split(".")[:2])
    if numbers < LEAST_VERSION:
        least = ".".join(str(each) for each in LEAST_VERSION)
        raise BadConfig(
            f"Qdrant is of version {version}, the memory needs {least} or newer",
            hint="upgrade the server",
        )
