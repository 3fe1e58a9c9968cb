"""Vectors of the models that the provider service asks: OpenAI's, and whoever speaks as they do."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from pepperpy_bus.llm import LLM
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector, unit
from pepperpy_schemas.errors import UpstreamFailed

_CHARACTERS: Final = 24_000
"""Of a text; most models read 8192 tokens, and refuse the whole request for one text above."""


class ProviderEmbedder:
    """Embeds with a model of the provider service.

    Args:
        llm: The models on the bus.
        model: An alias of the provider service, or ``provider/model``.
        dimensions: Numbers of a vector, where the model can choose; its own by default.
    """

    def __init__(
        self, llm: LLM, *, model: str = "embedding", dimensions: int | None = None
    ) -> None:
        self.name = f"provider/{model}"
        self.version = str(dimensions or "full")
        self.dims = dimensions or 0
        self.characters = 200_000
        self._llm = llm
        self._model = model
        self._dimensions = dimensions

    async def __aenter__(self) -> Self:
        if not self.dims:
            self.dims = len((await self.embed(["dimensions"], "passage"))[0])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Holds nothing."""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:  # noqa: ARG002 - equal for both
        """See `Embedder.embed`."""
        if not texts:
            return []
        cut = [text[:_CHARACTERS] for text in texts]
        reply = await self._llm.embed(cut, model=self._model, dimensions=self._dimensions)
        vectors = [unit(vector) for vector in reply.vectors]
        lengths = sorted({len(vector) for vector in vectors})
        if len(vectors) != len(texts) or lengths != [self.dims or lengths[0]]:
            numbers = " and ".join(map(str, lengths)) or "no"
            raise UpstreamFailed(
                f"{reply.model} gave {len(vectors)} vectors for {len(texts)} texts, "
                f"of {numbers} numbers where {self.dims or 'some'} were due",
                context={"lengths": lengths},
            )
        return vectors
