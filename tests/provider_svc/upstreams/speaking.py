"""The three protocols under test, and what the tests ask of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.declared.models import Provider
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_provider_svc.upstreams.making import make_upstream
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Upstream
from pepperpy_schemas.chat import ChatMessage, ChatRequest, ToolSpec

KEY = Secret("sk-canary-0123456789")
WEATHER = ToolSpec(
    name="get_weather",
    description="The weather of a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
KINDS = ("openai", "openai-responses", "anthropic")
MODELS = {"openai": "gpt-4o", "openai-responses": "gpt-4o", "anthropic": "claude-opus-4-6"}


class Speaker(msgspec.Struct):
    """An upstream with its model and key."""

    kind: str
    upstream: Upstream

    @property
    def model(self) -> str:
        return MODELS[self.kind]

    async def complete(self, request: ChatRequest) -> Completion:
        return await self.upstream.complete(self.model, request, KEY)

    async def pieces(self, request: ChatRequest) -> list[Chunk]:
        async with aclosing(self.opened(request)) as chunks:
            return [chunk async for chunk in chunks]

    async def streamed(self, request: ChatRequest) -> Completion:
        answer = Assembly()
        for chunk in await self.pieces(request):
            answer.add(chunk)
        return answer.completion()

    def opened(self, request: ChatRequest) -> Any:
        return self.upstream.stream(self.model, request, KEY)

    async def ask(self, request: ChatRequest, *, streaming: bool) -> Completion:
        return await (self.streamed(request) if streaming else self.complete(request))


@asynccontextmanager
async def speaking(kind: str, url: str, **options: Any) -> AsyncIterator[Speaker]:
    declared = Provider.model_validate({"kind": kind, "base_url": url})
    upstream = make_upstream("acme", declared, **options)
    try:
        yield Speaker(kind, upstream)
    finally:
        await upstream.close()


def asks(text: str = "hello", **options: Any) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage("user", text)], **options)


Speak = Callable[..., Any]
