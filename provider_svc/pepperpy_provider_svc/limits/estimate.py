"""How many tokens a request may have, guessed from above and without a tokenizer.

It is what is reserved of limits and budgets before the request; what was used replaces it after.
"""

import string
from typing import Final

from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from pepperpy_schemas.codec import encode

ANSWER: Final = 4096
"""Tokens of an answer whose request does not limit them."""
THOUGHTS: Final = {"low": 2048, "medium": 8192, "high": 24_576}
"""Tokens of thoughts, which come on top of those of the answer."""
IMAGE: Final = 1600
"""Tokens of a picture: providers scale larger ones down."""

_AROUND = 8  # what chat templates put around a message, a tool or a call
_ASCII = bytes(range(128))
_LETTERS = f"{string.ascii_letters} ".encode()
_SPARSE = 24  # bytes for each space in text that people write, at the least


def estimate(request: ChatRequest) -> int:
    """Returns the tokens of a chat request and its answer, rather too many than too few."""
    return input_tokens(request) + answer_tokens(request)


def answer_tokens(request: ChatRequest) -> int:
    """Returns how many tokens the answer may have, with its thoughts.

    It is what is reserved, and what the provider is told.
    """
    return (request.max_tokens or ANSWER) + THOUGHTS.get(request.reasoning or "none", 0)


def told_limit(request: ChatRequest) -> int | None:
    """Returns the limit for providers that need none: None when the request has none."""
    return None if request.max_tokens is None else answer_tokens(request)


def input_tokens(request: ChatRequest) -> int:
    """Returns the tokens of what the model reads."""
    count = sum(map(_message, request.messages)) + sum(map(_tool, request.tools))
    if request.response_format is not None:
        count += text_tokens(encode(request.response_format).decode()) + _AROUND
    return count + _AROUND


def text_tokens(text: str) -> int:
    """Returns the tokens of a text.

    A token has three letters or more in what people write, and two bytes of other scripts; signs
    and digits are tokens of their own. Text without spaces may be encoded data, whose tokens are
    shorter.
    """
    body = text.encode("utf-8", "surrogatepass")
    spaces = body.count(b" ") + body.count(b"\n")
    if text.isascii() and spaces * _SPARSE < len(body):
        return len(body)
    rest = body.translate(None, _LETTERS)
    foreign = len(rest.translate(None, _ASCII))
    signs = len(rest) - foreign
    return signs + -(-foreign // 2) + -(-(len(body) - len(rest)) // 3)


def embedding_tokens(texts: list[str]) -> int:
    """Returns the tokens of texts that become vectors."""
    return sum(text_tokens(text) + 1 for text in texts)


def _message(message: ChatMessage) -> int:
    return _AROUND + sum(map(_part, message.parts))


def _part(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text, data=""):
            return text_tokens(text)
        case Reasoning(data=data):
            return text_tokens(data)
        case Image():
            return IMAGE
        case ToolCall(name=name, arguments=arguments):
            return _AROUND + text_tokens(name) + text_tokens(arguments)
        case ToolResult(content=content):
            return _AROUND + text_tokens(content)


def _tool(tool: ToolSpec) -> int:
    return _AROUND + text_tokens(encode(tool).decode())
