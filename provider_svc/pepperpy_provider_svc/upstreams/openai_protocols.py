"""OpenAI's two protocols: chat completions, which many servers speak, and responses."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams import openai_chat_answer, openai_responses_answer
from pepperpy_provider_svc.upstreams.endpoint import Reading
from pepperpy_provider_svc.upstreams.openai_chat_request import Body, chat_body
from pepperpy_provider_svc.upstreams.openai_endpoint import OpenAIEndpoint
from pepperpy_provider_svc.upstreams.openai_responses_request import responses_body
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings
from pepperpy_schemas.chat import ChatRequest


class _Writing(Protocol):
    """Writes a request."""

    def __call__(self, model: str, request: ChatRequest, *, official: bool) -> Body:
        """Returns its body."""


class OpenAIProtocol(msgspec.Struct, frozen=True):
    """How requests and answers are written.

    Attributes:
        path: Where requests go.
        body: Writes a request.
        streamed: What a request of a streamed answer has besides.
        read: Reads a whole answer.
        reading: Begins to read a streamed one.
    """

    path: str
    body: _Writing
    streamed: Mapping[str, Any]
    read: Callable[[bytes], Completion]
    reading: Callable[[], Reading]


CHAT: Final = OpenAIProtocol(
    path="/chat/completions",
    body=chat_body,
    # The usage comes after the finish reason, which ends an answer, with or without ``[DONE]``.
    streamed={"stream": True, "stream_options": {"include_usage": True}},
    read=openai_chat_answer.read_completion,
    reading=openai_chat_answer.ChatReading,
)
"""Of Ollama, vLLM and llama.cpp, too."""

RESPONSES: Final = OpenAIProtocol(
    path="/responses",
    body=responses_body,
    streamed={"stream": True},
    read=openai_responses_answer.read_completion,
    reading=openai_responses_answer.ResponsesReading,
)
"""Nothing is kept at the provider; thoughts travel with the conversation."""


class OpenAI:
    """An `Upstream` that speaks one of them.

    Args:
        endpoint: Whom to.
        protocol: Which one.
    """

    def __init__(self, endpoint: OpenAIEndpoint, protocol: OpenAIProtocol) -> None:
        self._endpoint = endpoint
        self.protocol = protocol

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of a model."""
        body = self.protocol.body(model, request, official=self._endpoint.official)
        return await self._endpoint.post(self.protocol.path, body, key, self.protocol.read)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces, the last of them with its finish."""
        body = self.protocol.body(model, request, official=self._endpoint.official)
        body |= self.protocol.streamed
        path, reading = self.protocol.path, self.protocol.reading()
        async with aclosing(self._endpoint.stream(path, body, key, reading)) as chunks:
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
