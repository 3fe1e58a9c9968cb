"""One embedder for many requests: known texts are not computed again, the others in batches.

Questions go before passages: somebody waits for them, while passages come by the thousand.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from pepperpy_memory_svc.embedding.cache import Key, VectorCache, key_of
from pepperpy_memory_svc.embedding.embedder import Embedder, Purpose, Vector
from pepperpy_schemas.errors import Overloaded, PepperError, Unavailable, UpstreamFailed

BATCH: Final = 32
WAITING: Final = 50_000

E = TypeVar("E", bound=Embedder)


class _Item:
    """A text that is to be embedded, for everybody who waits for it."""

    __slots__ = ("key", "text", "vector", "waiting")

    def __init__(self, key: Key, text: str, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.text = text
        self.vector: asyncio.Future[Vector] = loop.create_future()
        self.waiting = 0


class BatchedEmbedder(Generic[E]):
    """Embeds with another embedder: equal texts once, different requests together.

    A caller that is cancelled takes its texts out of the line, unless others wait for them, too.

    Args:
        embedder: The embedder, not open yet.
        cache_bytes: Bytes of vectors that are kept.
        batch: Most texts of one call.
        waiting: Texts that may wait; more are refused.
    """

    def __init__(
        self,
        embedder: E,
        *,
        cache_bytes: int = 64 * 1024 * 1024,
        batch: int = BATCH,
        waiting: int = WAITING,
    ) -> None:
        self.inner = embedder
        self.cache = VectorCache(cache_bytes)
        self.calls = 0
        self._batch = batch
        self._room = waiting
        self._lines: dict[Purpose, OrderedDict[Key, _Item]] = {
            "query": OrderedDict(),
            "passage": OrderedDict(),
        }
        self._running: dict[Key, _Item] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self.inner.name

    @property
    def version(self) -> str:
        """The embedder's version."""
        return self.inner.version

    @property
    def dims(self) -> int:
        """Numbers of a vector."""
        return self.inner.dims

    @property
    def characters(self) -> int:
        """Characters of all texts of one call, at most."""
        return self.inner.characters

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        self._task = asyncio.create_task(self._work(), name=f"embed-{self.name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None, "it is open"
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        stopped = Unavailable("the embedder is stopping")
        for item in [
            *self._running.values(),
            *(i for x in self._lines.values() for i in x.values()),
        ]:
            _fail(item, stopped)
        self._running.clear()
        for line in self._lines.values():
            line.clear()
        await self.inner.__aexit__(kind, error, trace)

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`.

        Raises:
            Overloaded: Too many texts wait.
        """
        keys = [key_of(text, purpose) for text in texts]
        known = {key: self.cache.get(key) for key in dict.fromkeys(keys)}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if known[key] is None}
        if missing:
            known |= await self._computed(missing, purpose)
        return [vector for key in keys if (vector := known[key]) is not None]

    # --- waiting --------------------------------------------------------------------------------

    async def _computed(self, missing: dict[Key, str], purpose: Purpose) -> dict[Key, Vector]:
        items = self._lined_up(missing, purpose)
        try:
            await asyncio.wait([item.vector for item in items])
        finally:
            for item in items:
                self._leave(item, purpose)
        return {item.key: item.vector.result() for item in items}

    def _lined_up(self, missing: dict[Key, str], purpose: Purpose) -> list[_Item]:
        line = self._lines[purpose]
        waiting = sum(map(len, self._lines.values()))
        if waiting and waiting + len(missing) > self._room:
            raise Overloaded(f"{waiting} texts wait to be embedded", context={"waiting": waiting})
        loop = asyncio.get_running_loop()
        items = []
        for key, text in missing.items():
            item = line.get(key) or self._running.get(key)
            if item is None:
                item = line[key] = _Item(key, text, loop)
            item.waiting += 1
            items.append(item)
        self._wanted.set()
        return items

    def _leave(self, item: _Item, purpose: Purpose) -> None:
        item.waiting -= 1
        if not item.waiting and not item.vector.done() and item.key not in self._running:
            self._lines[purpose].pop(item.key, None)

    # --- computing ------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            # Requests that are read in the same round of the loop come into the same batch.
            await asyncio.sleep(0)
            purpose: Purpose = "query" if self._lines["query"] else "passage"
            items = self._next(self._lines[purpose])
            if not items:
                self._wanted.clear()
                continue
            self._running = {item.key: item for item in items}
            await self._compute(items, purpose)
            self._running = {}

    def _next(self, line: OrderedDict[Key, _Item]) -> list[_Item]:
        items: list[_Item] = []
        left = self.characters
        while line and len(items) < self._batch:
            first = next(iter(line.values()))
            left -= len(first.text)
            if items and left < 0:
                break
            items.append(first)
            del line[first.key]
        return items

    async def _compute(self, items: list[_Item], purpose: Purpose) -> None:
        self.calls += 1
        try:
            vectors = await self.inner.embed([item.text for item in items], purpose)
            self._check(vectors, len(items))
        except PepperError as error:
            await self._failed(items, purpose, error, passes=error.retryable)
        except Exception as error:
            await self._failed(items, purpose, _translated(self.name, error), passes=False)
        else:
            for item, vector in zip(items, vectors, strict=True):
                self.cache.put(item.key, vector)
                if not item.vector.done():
                    item.vector.set_result(vector)

    async def _failed(
        self, items: list[_Item], purpose: Purpose, error: PepperError, *, passes: bool
    ) -> None:
        """One text that cannot be embedded is no reason to fail those beside it.

        Whether it was a text's fault is found out by embedding each alone, unless the error passes
        by itself: then the embedder was away, for all of them.
        """
        if len(items) > 1 and not passes:
            for item in items:
                await self._compute([item], purpose)
            return
        for item in items:
            _fail(item, error)

    def _check(self, vectors: Sequence[Vector], number: int) -> None:
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != number or lengths - {self.dims}:
            raise UpstreamFailed(
                f"{self.name} gave {len(vectors)} vectors of {sorted(lengths)} numbers for {number}"
                f" texts",
                retryable=True,
            )


def _translated(name: str, error: Exception) -> PepperError:
    failed = UpstreamFailed(f"{name} failed: {type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed


def _fail(item: _Item, error: PepperError) -> None:
    if not item.vector.done():
        item.vector.set_exception(error)
        # Nobody may be waiting any more, which is no reason for a warning.
        item.vector.exception()
