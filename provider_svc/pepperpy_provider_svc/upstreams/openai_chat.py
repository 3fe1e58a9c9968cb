"""OpenAI's chat completions, and every server that speaks them: Ollama, vLLM, llama.cpp."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.openai_chat_answer import ChatReading, read_completion
from pepperpy_provider_svc.upstreams.openai_chat_request import chat_body
from pepperpy_provider_svc.upstreams.openai_endpoint import OpenAIEndpoint
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings
from pepperpy_schemas.chat import ChatRequest

_PATH: Final = "/chat/completions"
_STREAM: Final = {"stream": True, "stream_options": {"include_usage": True}}


class OpenAIChat:
    """An `Upstream`; the finish reason ends an answer, with or without ``[DONE]`` after it."""

    def __init__(self, endpoint: OpenAIEndpoint) -> None:
        self._endpoint = endpoint

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of a model."""
        body = chat_body(model, request, official=self._endpoint.official)
        return await self._endpoint.post(_PATH, body, key, read_completion)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces; the last one waits for the usage, which comes after it."""
        body = chat_body(model, request, official=self._endpoint.official) | _STREAM
        async with aclosing(self._endpoint.stream(_PATH, body, key, ChatReading())) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns a vector for each text."""
        return await self._endpoint.embed(model, texts, dimensions, key)

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of tokens; None for other servers than OpenAI's own."""
        return await self._endpoint.count(model, request)

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the provider's models."""
        return await self._endpoint.models(key)

    async def close(self) -> None:
        """Closes the connections."""
        await self._endpoint.close()
