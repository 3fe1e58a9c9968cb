"""Anthropic's messages."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

import httpx2
import msgspec
from anthropic import AsyncAnthropic

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.anthropic_answer import MessagesReading, read_completion
from pepperpy_provider_svc.upstreams.anthropic_request import counted_body, messages_body
from pepperpy_provider_svc.upstreams.endpoint import CONNECT_TIMEOUT, READ_TIMEOUT, Endpoint
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import RequestRefused

OFFICIAL: Final = "https://api.anthropic.com"
_PATH: Final = "/v1/messages"


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: int


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


_COUNTED: Final = msgspec.json.Decoder(_Counted)
_MODELS: Final = msgspec.json.Decoder(_Models)


class Anthropic:
    """An `Upstream`; an answer ends with its stop reason and ``message_stop``, both of them.

    Args:
        provider: Whom errors name.
        base_url: Its address; Anthropic's own by default.
        connect_timeout: Seconds until a connection must be there.
        read_timeout: Seconds of silence that end a call even if nobody else does.
    """

    def __init__(
        self,
        provider: str,
        base_url: str = "",
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self._provider = provider
        self._endpoint = Endpoint(
            provider,
            partial(_client, base_url or OFFICIAL),
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of a model."""
        body, answer_tool = messages_body(model, request)
        read = partial(read_completion, answer_tool=answer_tool)
        return await self._endpoint.post(_PATH, body, key, read)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces, the last of them with its finish."""
        body, answer_tool = messages_body(model, request)
        body["stream"] = True
        reading = MessagesReading(answer_tool)
        async with aclosing(self._endpoint.stream(_PATH, body, key, reading)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(
        self,
        model: str,
        texts: list[str],
        dimensions: int | None,
        key: Secret,
    ) -> Embeddings:
        """Raises `RequestRefused`: Anthropic has no embeddings."""
        raise RequestRefused(f"{self._provider}/{model} has no embeddings; Anthropic offers none")

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of tokens, as the provider counts them."""
        body = counted_body(messages_body(model, request)[0])
        counted = await self._endpoint.post(f"{_PATH}/count_tokens", body, key, _COUNTED.decode)
        return counted.input_tokens

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the provider's models."""
        answer = await self._endpoint.get("/v1/models?limit=1000", key, _MODELS.decode)
        return [model.id for model in answer.data]

    async def close(self) -> None:
        """Closes the connections."""
        await self._endpoint.close()


def _client(address: str, connections: httpx2.AsyncClient, key: str) -> AsyncAnthropic:
    client = AsyncAnthropic(
        api_key=key,
        base_url=address,
        http_client=connections,
        timeout=connections.timeout,
        max_retries=0,
    )
    # Headers that the environment adds are nothing for every address in a declaration.
    client._custom_headers = {}
    return client
