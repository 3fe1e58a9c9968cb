"""Pieces that are too long for a message of the bus, cut into several."""

from collections.abc import Iterator
from typing import Final

from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ToolCallDelta

LONGEST: Final = 64 * 1024
"""Characters in one message: the server takes a MiB, and JSON writes some in six bytes."""


def cut(chunk: Chunk) -> Iterator[Chunk]:
    """Yields a piece, or what it has to say in several that each fit into a message."""
    texts = (chunk.text, chunk.reasoning, *(call.arguments for call in chunk.tool_calls))
    if sum(map(len, texts)) <= LONGEST:
        yield chunk
        return
    *before, last = _slices(chunk.reasoning) or [""]
    for part in before:
        yield Chunk(reasoning=part)
    if last or chunk.signature or chunk.data:
        # The proof of the reasoning closes it.
        yield Chunk(reasoning=last, signature=chunk.signature, data=chunk.data)
    for part in _slices(chunk.text):
        yield Chunk(text=part)
    for call in chunk.tool_calls:
        yield Chunk(tool_calls=(ToolCallDelta(call.index, call.id, call.name),))
        for part in _slices(call.arguments):
            yield Chunk(tool_calls=(ToolCallDelta(call.index, arguments=part),))


def _slices(text: str) -> list[str]:
    return [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
