"""What OpenAI's two protocols have in common: the client, embeddings, models, counts."""

import asyncio
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.endpoint import CONNECT_TIMEOUT, READ_TIMEOUT, Endpoint
from pepperpy_provider_svc.upstreams.upstream import Embeddings
from pepperpy_schemas.chat import ChatRequest, Usage
from pepperpy_schemas.errors import UpstreamFailed

OFFICIAL: Final = "https://api.openai.com/v1"
_OFFICIAL_HOSTS: Final = (".openai.com", ".openai.azure.com")


class _Vector(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int = 0


class _Tokens(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None


class _Vectors(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _Tokens | None = None


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model] | None


_VECTORS: Final = msgspec.json.Decoder(_Vectors)
_MODELS: Final = msgspec.json.Decoder(_Models)


class OpenAIEndpoint(Endpoint):
    """OpenAI, or a server that speaks its protocol.

    Args:
        provider: Whom errors name.
        base_url: Its address; OpenAI's own by default.
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
        address = base_url or OFFICIAL
        self.official = f".{urlsplit(address).hostname}".endswith(_OFFICIAL_HOSTS)
        super().__init__(
            provider,
            partial(_client, address),
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns a vector for each text."""
        body: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "float"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        answer = await self.post("/embeddings", body, key, _VECTORS.decode)
        if len(answer.data) != len(texts):
            raise UpstreamFailed(
                f"{self.provider} answered {len(texts)} texts with {len(answer.data)} vectors"
            )
        vectors = [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
        tokens = (answer.usage and answer.usage.prompt_tokens) or 0
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=tokens))

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the provider's models."""
        answer = await self.get("/models", key, _MODELS.decode)
        return [model.id for model in answer.data or []]

    async def count(self, model: str, request: ChatRequest) -> int | None:
        """Returns the tokens of a request, where it is known how the model counts."""
        if not self.official:
            return None
        from pepperpy_provider_svc.upstreams.openai_tokens import count_tokens

        # The vocabulary is read from its package at the first time, and a long text takes long.
        return await asyncio.to_thread(count_tokens, model, request)


def _client(address: str, connections: httpx2.AsyncClient, key: str) -> openai.AsyncOpenAI:
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=address,
        http_client=connections,
        timeout=connections.timeout,
        max_retries=0,
    )
    # What the environment says of one account is nothing for every address in a declaration; the
    # SDK takes it for itself where an argument is None.
    client.organization = client.project = client.admin_api_key = None
    client._custom_headers = {}
    return client
