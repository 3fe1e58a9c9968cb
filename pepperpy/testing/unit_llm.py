"""Models for a handler that runs without a bus: the scripted provider, asked directly."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar, cast

from pepperpy.testing.model import Player, ScriptedModel
from pepperpy_bus.config.values import Secret
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm import LLM
from pepperpy_bus.units import Duration
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_schemas.chat import ChatReply, ChatRequest, Delta, End, Reset
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.provider import CountReply, EmbedReply, EmbedRequest
from pepperpy_schemas.subjects import Subject

T = TypeVar("T")

_NAME = "scripted"
_KEY = Secret("")


class UnitLLM(LLM):
    """`ctx.llm` where there is no provider service to ask.

    Args:
        model: What the models say.
    """

    def __init__(self, model: ScriptedModel) -> None:
        # Every way to the bus is overridden below.
        super().__init__(cast("Connection", None), "unit", "unit")
        self._player = Player(_NAME, model)

    async def _call(self, subject: Subject[Any], body: object, kind: type[T], time: Duration) -> T:  # noqa: ARG002
        match body:
            case ChatRequest() if kind is CountReply:
                tokens = await self._player.count(body.model, body, _KEY)
                made: object = CountReply(tokens or 0, False, body.model)
            case ChatRequest():
                said = await self._player.complete(body.model, body, _KEY)
                target = f"{_NAME}/{body.model}"
                made = ChatReply(said.message, said.finish, said.usage, target)
            case EmbedRequest():
                found = await self._player.embed(body.model, body.texts, body.dimensions, _KEY)
                made = EmbedReply(found.vectors, found.usage, f"{_NAME}/{body.model}")
            case _:
                raise BadConfig(
                    f"a unit call has no provider service to ask for {subject.name}",
                    hint="run it on a bus: await pepper.run(…)",
                )
        return cast("T", made)

    async def _stream(
        self,
        request: ChatRequest,
        limit: float,  # noqa: ARG002 - as LLM's
        idle: float,  # noqa: ARG002 - as LLM's
    ) -> AsyncGenerator[Delta | Reset | End, None]:
        whole, n = Assembly(), 1
        async for chunk in self._player.stream(request.model, request, _KEY):
            whole.add(chunk)
            if chunk.text or chunk.reasoning or chunk.tool_calls:
                n += 1
                calls = list(chunk.tool_calls)
                yield Delta(n, text=chunk.text, reasoning=chunk.reasoning, tool_calls=calls)
        said = whole.completion()
        yield End(n + 1, said.finish, said.usage, f"{_NAME}/{request.model}")
