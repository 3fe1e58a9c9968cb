"""Answers that come in pieces, and what answers took, as LangChain says it."""

from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk

from pepperpy_agents.adapters.langchain.messages import SIGNED
from pepperpy_schemas.chat import Delta, End, Usage


class Pieces:
    """Makes pieces of one answer LangChain's, whose sum is what `answer` would be of the whole."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""

    def chunk(self, delta: Delta) -> AIMessageChunk:
        """Returns the next piece."""
        calls = [
            ToolCallChunk(
                type="tool_call_chunk",
                index=one.index,
                id=one.id or None,
                name=one.name or None,
                args=one.arguments,
            )
            for one in delta.tool_calls
        ]
        content: list[Any] = []
        if delta.reasoning or delta.signature or delta.data:
            content.append(self._thought(delta))
        if delta.text and (content or self._index >= 0):
            content.append(self._at("text", {"type": "text", "text": delta.text}))
        return AIMessageChunk(content=content or delta.text, tool_call_chunks=calls)

    def _thought(self, delta: Delta) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "reasoning", "reasoning": delta.reasoning}
        extras = {name: getattr(delta, name) for name in SIGNED if getattr(delta, name)}
        if extras:
            block["extras"] = extras
        block = self._at("reasoning", block)
        if extras:
            self._kind = ""  # what follows a proof is another thought
        return block

    def _at(self, kind: str, block: dict[str, Any]) -> dict[str, Any]:
        """A block with the place of the part that it belongs to."""
        if kind != self._kind:
            self._index += 1
            self._kind = kind
        return {**block, "index": self._index}


def usage_of(usage: Usage) -> UsageMetadata:
    """Returns the tokens of an answer as LangChain counts them."""
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(
            cache_read=usage.cached_tokens, cache_creation=usage.cache_write_tokens
        ),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )


def told_of(end: Any) -> dict[str, Any]:
    """Returns what is known of an answer, a whole one or the end of a streamed one."""
    told = {"model_name": end.model, "finish_reason": end.finish, "cached": end.cached}
    return told if end.usd is None else {**told, "usd": end.usd}


def last_chunk(end: End) -> AIMessageChunk:
    """Returns the piece that ends an answer: what it took, and no text."""
    return AIMessageChunk(
        content="",
        usage_metadata=usage_of(end.usage),
        response_metadata=told_of(end),
        chunk_position="last",
    )
