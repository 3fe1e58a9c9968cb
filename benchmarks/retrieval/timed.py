"""A store that tells how long its searches took, and an embedder that knows all vectors before."""

import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

from benchmarks.retrieval.made import DIMS, Floats
from pepperpy_memory_svc.embedding.embedder import Embedder, Purpose, Vector
from pepperpy_memory_svc.stores.store import Store

_SEARCHED: Final = ("candidates", "get", "vectors", "neighbours", "scan")
"""What a search asks of a store."""


class TimedStore:
    """A store that is timed in what searches ask of it: candidates, and the entries of the page.

    Args:
        store: The store, open.

    Attributes:
        seconds: What all these calls have taken together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._timed(found) if name in _SEARCHED else found

    def _timed(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return await call(*args, **options)
            finally:
                self.seconds += time.perf_counter() - began

        return timed

    @property
    def as_store(self) -> Store:
        """The same, as what it is: everything else goes to the store itself."""
        return cast("Store", self)


class GivenEmbedder:
    """Returns vectors that it was given: what a search takes besides embedding is measured.

    Attributes:
        model: A model, open, that embeds each text all the same, though its vector is not used: the
            service does other things meanwhile, as it does in use.
        seconds: What that has taken.
    """

    name = "given"
    version = "1"
    dims = DIMS
    characters = 1_000_000

    def __init__(self) -> None:
        self._known: dict[str, Vector] = {}
        self.model: Embedder | None = None
        self.seconds = 0.0

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

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`."""
        if self.model is not None:
            began = time.perf_counter()
            await self.model.embed(texts, purpose)
            self.seconds += time.perf_counter() - began
        return [self._known[text] for text in texts]
