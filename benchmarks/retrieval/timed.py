"""A store that tells how long its searches took, and an embedder that knows all vectors before."""

import time
from array import array
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

from benchmarks.retrieval.made import DIMS, Floats
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.stores.rows import Candidates, Wanted
from pepperpy_memory_svc.stores.store import Store


class TimedStore:
    """A store whose searches are timed.

    Args:
        store: The store, open.

    Attributes:
        seconds: What its searches have taken together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds = 0.0

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """See `Search.candidates`."""
        began = time.perf_counter()
        try:
            return await self._store.candidates(wanted, now=now)
        finally:
            self.seconds += time.perf_counter() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def as_store(self) -> Store:
        """The same, as what it is: everything else goes to the store itself."""
        return cast("Store", self)


class GivenEmbedder:
    """Returns vectors that it was given: what a search takes besides embedding is measured."""

    name = "given"
    version = "1"
    dims = DIMS
    characters = 1_000_000

    def __init__(self) -> None:
        self._known: dict[str, Vector] = {}

    def know(self, texts: Sequence[str], vectors: Floats) -> None:
        """Takes the vectors of texts."""
        rows = (array("f", row.tobytes()) for row in vectors)
        self._known.update(zip(texts, rows, strict=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._known.clear()

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:  # noqa: ARG002 - equal for both
        """See `Embedder.embed`."""
        return [self._known[text] for text in texts]
