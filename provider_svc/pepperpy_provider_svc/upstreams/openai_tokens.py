"""How many tokens OpenAI counts, found out on this machine."""

from typing import Final

import bpe_openai  # type: ignore[import-untyped]  # it has no types
import msgspec

from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
)

_OLDER: Final = ("gpt-3.5", "gpt-35", "gpt-4-", "text-embedding")
# The tokenizer refuses what has more than 200 000 tokens; a cut costs one at most.
_PIECE: Final = 50_000
_PER_MESSAGE: Final = 3
_PER_CALL: Final = 3
_BEFORE_THE_ANSWER: Final = 3


def count_tokens(model: str, request: ChatRequest) -> int | None:
    """Returns the tokens of a request, or None when it has pictures, which are not text.

    What a conversation costs is exact; tools and schemas are counted as the JSON that they are,
    since OpenAI does not tell how it writes them.
    """
    parts = [part for message in request.messages for part in message.parts]
    if any(isinstance(part, Image) for part in parts):
        return None
    encoding = _encoding(model)
    texts = [text for message in request.messages for text in _texts(message)]
    texts += [msgspec.json.encode(tool).decode() for tool in request.tools]
    if request.response_format is not None:
        texts.append(msgspec.json.encode(request.response_format.schema).decode())
    pieces = [text[n : n + _PIECE] for text in texts for n in range(0, len(text), _PIECE)]
    tokens = sum(len(encoding.encode_ordinary(piece)) for piece in pieces)
    calls = sum(isinstance(part, ToolCall) for part in parts)
    return tokens + len(request.messages) * _PER_MESSAGE + calls * _PER_CALL + _BEFORE_THE_ANSWER


def _encoding(model: str) -> bpe_openai.Encoding:
    older = model == "gpt-4" or model.startswith(_OLDER)
    return bpe_openai.get_encoding("cl100k_base" if older else "o200k_base")


def _texts(message: ChatMessage) -> list[str]:
    return [message.role, *(text for part in message.parts for text in _words(part))]


def _words(part: Part) -> list[str]:
    match part:
        case Text(text=text):
            return [text]
        case ToolCall(name=name, arguments=arguments):
            return [name, arguments]
        case ToolResult(content=content):
            return [content]
        case _:
            return []
