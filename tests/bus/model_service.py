"""A small provider service that says what a test gives it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_schemas.chat import (
    Ack,
    ChatItem,
    ChatMessage,
    ChatReply,
    ChatRequest,
    Delta,
    End,
    KeepAlive,
    Usage,
)
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.provider import (
    CountReply,
    EmbedReply,
    EmbedRequest,
    LimitStatus,
    ModelInfo,
    ModelList,
    ProviderStatus,
    SimilarFigures,
    Spend,
    TargetStatus,
    TenantRequest,
)

MODEL = "zoo/parrot"
USAGE = Usage(input_tokens=7, output_tokens=5)
HOLD = object()
"""Among the items: waits for ever, until the request is canceled."""
MODELS = [
    ModelInfo("default", targets=[MODEL]),
    ModelInfo(MODEL, context_window=8192, usd_per_million_input=0.25, usd_per_million_output=1.5),
]
STATUS = ProviderStatus(
    replica="r1",
    running=1,
    targets=[TargetStatus(MODEL, "main", calls=9, failures=1, p50_ms=420)],
    limits=[LimitStatus("tenant support", "usd/day", 5.0, 1.25)],
    spend=[Spend("tenant support", 9, Usage(input_tokens=900, output_tokens=90), 1.25)],
    cache_hits=2,
    similar=SimilarFigures(hits=7, misses=40, wrong=1, failures=3, skipped=5),
)


def answer(*texts: str) -> list[Any]:
    """A whole streamed answer."""
    items: list[Any] = [Ack(1, "r")]
    items += [Delta(n, text=text) for n, text in enumerate(texts, 2)]
    return [*items, KeepAlive(len(items)), End(len(items) + 1, "stop", USAGE, MODEL, 0.002)]


class Models:
    """What the service says, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.callers: list[str] = []
        self.families: list[tuple[str, str]] = []
        self.items: list[Any] = answer("Hello", " there.")
        self.error: PepperError | None = None
        self.reply: Callable[[ChatRequest], str] = lambda request: request.messages[-1].text
        self.usd: float | None = 0.002
        self.hold = False
        self.holding = asyncio.Event()
        self.canceled = asyncio.Event()

    async def chat(self, request: ChatRequest, call: Call) -> ChatReply:
        self._note(request, call)
        if self.hold:
            await self._wait()
        message = ChatMessage("assistant", self.reply(request))
        return ChatReply(message, "stop", USAGE, MODEL, self.usd)

    async def stream(self, request: ChatRequest, call: Call) -> AsyncIterator[ChatItem]:
        self._note(request, call)
        for item in self.items:
            if item is HOLD:
                await self._wait()
            elif isinstance(item, PepperError):
                raise item
            else:
                yield item

    async def embed(self, request: EmbedRequest, call: Call) -> EmbedReply:
        self._note(request, call)
        vectors = [[float(len(text))] for text in request.texts]
        return EmbedReply(vectors, Usage(input_tokens=3), MODEL, 0.0001)

    async def count(self, request: ChatRequest, call: Call) -> CountReply:
        self._note(request, call)
        return CountReply(len(request.messages[-1].text), True, MODEL)

    async def models(self, request: TenantRequest, call: Call) -> ModelList:
        self._note(request, call)
        return ModelList(MODELS)

    async def status(self, request: TenantRequest, call: Call) -> ProviderStatus:
        self._note(request, call)
        return STATUS

    def _note(self, request: Any, call: Call) -> None:
        self.asked.append(request)
        self.callers.append(call.principal)
        headers = call.headers
        self.families.append((headers.get("pp-parent", ""), headers.get("pp-root", "")))
        if self.error is not None:
            raise self.error

    async def _wait(self) -> None:
        self.holding.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.canceled.set()

    def service(self, connection: Connection, prefix: str) -> Service:
        """The service, to be entered."""
        endpoints = [
            Endpoint(op=op, request=request, reply=reply, handler=getattr(self, op))
            for op, request, reply in (
                ("chat", ChatRequest, ChatReply),
                ("stream", ChatRequest, ChatItem),
                ("embed", EmbedRequest, EmbedReply),
                ("count", ChatRequest, CountReply),
                ("models", TenantRequest, ModelList),
                ("status", TenantRequest, ProviderStatus),
            )
        ]
        return Service(
            connection, prefix, "provider", version="1.0.0", endpoints=endpoints, grace=0.1
        )
