"""An upstream that others use: one that is not offered any more closes with its last call."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

from pepperpy_bus.config.values import Secret
from pepperpy_bus.logs import get_log
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings, Upstream
from pepperpy_schemas.chat import ChatRequest

log = get_log("pepperpy.provider")


class Lent:
    """An `Upstream` that knows its calls.

    A request that began before its upstream was retired may still call it, also after all other
    calls have ended: it is made once more then, and closed again.

    Args:
        make: Makes the upstream; called once here, to find out whether it can be made.
    """

    def __init__(self, make: Callable[[], Upstream]) -> None:
        self._make = make
        self._upstream: Upstream | None = make()
        self._calls = 0
        self._retired = False
        self._closing: set[asyncio.Task[None]] = set()

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of a model."""
        with self._called() as upstream:
            return await upstream.complete(model, request, key)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces, the last of them with its finish."""
        with self._called() as upstream:
            chunks = upstream.stream(model, request, key)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                close = getattr(chunks, "aclose", None)
                if close is not None:
                    await close()

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns a vector for each text."""
        with self._called() as upstream:
            return await upstream.embed(model, texts, dimensions, key)

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of tokens of a request, or None where the provider does not count."""
        with self._called() as upstream:
            return await upstream.count(model, request, key)

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the provider's models."""
        with self._called() as upstream:
            return await upstream.models(key)

    def retire(self) -> None:
        """Closes what is open as soon as nobody uses it."""
        self._retired = True
        self._close_unused()

    async def close(self) -> None:
        """Closes what is open, whoever uses it."""
        self._retired = True
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.close()
        await asyncio.gather(*self._closing)

    @contextlib.contextmanager
    def _called(self) -> Iterator[Upstream]:
        if self._upstream is None:
            self._upstream = self._make()
        self._calls += 1
        try:
            yield self._upstream
        finally:
            self._calls -= 1
            self._close_unused()

    def _close_unused(self) -> None:
        if not self._retired or self._calls or self._upstream is None:
            return
        upstream, self._upstream = self._upstream, None
        closing = asyncio.create_task(_closed(upstream), name="close-upstream")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _closed(upstream: Upstream) -> None:
    try:
        await upstream.close()
    except Exception as error:
        # It is not used any more, and a library may raise what it likes.
        log.warning("upstream.not_closed", error=str(error))
