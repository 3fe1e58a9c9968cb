"""The store in Qdrant."""

from types import TracebackType
from typing import Self

from pepperpy_memory_svc.stores.qdrant.reading import QdrantReading
from pepperpy_memory_svc.stores.qdrant.searching import QdrantSearching
from pepperpy_memory_svc.stores.qdrant.writing import QdrantWriting


class QdrantStore(QdrantReading, QdrantWriting, QdrantSearching):
    """A `Store` in a Qdrant.

    Args:
        engine: A server, the client's own engine, or qdrant-edge.
        limits: What it asks of it at most.
    """

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.engine.__aexit__(kind, error, trace)
