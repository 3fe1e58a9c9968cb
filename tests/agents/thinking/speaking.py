"""Answers of a model, as a plan has them: what the provider service's upstream says next."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, ToolCallDelta, Usage
from tests.provider_svc.asking import Step

USED = Usage(input_tokens=100, output_tokens=20)


def says(text: str, usage: Usage = USED) -> Step:
    """An answer in words."""

    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk()
        for word in text.split(" "):
            yield Chunk(text=word + " " if not text.endswith(word) else word)
        yield Chunk(finish="stop", usage=usage)

    return step


def calls(*wanted: tuple[str, Any], text: str = "", usage: Usage = USED) -> Step:
    """Calls of tools, each a name and its arguments; arguments that are a text go as they are."""

    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text=text)
        for index, (name, given) in enumerate(wanted):
            arguments = given if isinstance(given, str) else msgspec.json.encode(given).decode()
            delta = ToolCallDelta(index, f"c{len(request.messages)}_{index}", name, arguments)
            yield Chunk(tool_calls=(delta,))
        yield Chunk(finish="tool_calls", usage=usage)

    return step
