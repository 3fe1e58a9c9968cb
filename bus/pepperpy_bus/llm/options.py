"""What a model is asked, as callers write it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict

from pepperpy_schemas.chat import ChatMessage, ChatRequest, ResponseFormat, ToolSpec
from pepperpy_schemas.codec import convert

Conversation: TypeAlias = str | Sequence[ChatMessage | Mapping[str, Any]]
"""One message of the user as text, or messages: `ChatMessage` or what its JSON would be."""

DEFAULT: Final = "default"
"""The alias that every deployment has."""


class ChatOptions(TypedDict, total=False):
    """What may be said of a request besides messages and model; see `ChatRequest`.

    Attributes:
        fallbacks: Models to try when all targets of the model fail.
        tools: Tools that may be called.
        tool_choice: ``auto``, ``none``, ``required``, or the name of the tool to call.
        response_format: The form of the answer: a JSON Schema with a name.
        max_tokens: Most tokens of the answer.
        temperature: From 0, always the likeliest answer, to 2.
        top_p: Part of the probability from which words are drawn.
        stop: Texts at which the answer ends.
        seed: Makes answers repeatable where the provider can.
        reasoning: How long to think, where the model can.
        no_restart: An answer that breaks is an error, instead of beginning anew.
        cache: ``auto`` takes a stored answer at temperature 0, ``on`` at any, ``off`` never.
        prompt_cache_key: Requests of one key have the same beginning.
        tenant: For whom it is, where the caller may speak for several.
    """

    fallbacks: Sequence[str]
    tools: Sequence[ToolSpec | Mapping[str, Any]]
    tool_choice: str
    response_format: ResponseFormat | Mapping[str, Any] | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: Sequence[str]
    seed: int | None
    reasoning: Literal["none", "low", "medium", "high"] | None
    no_restart: bool
    cache: Literal["auto", "on", "off"]
    prompt_cache_key: str
    tenant: str


def chat_request(messages: Conversation, model: str, options: ChatOptions) -> ChatRequest:
    """Returns the request for a model.

    Raises:
        BadPayload: A field does not exist or does not fit; the message names it.
    """
    if isinstance(messages, str):
        messages = [ChatMessage("user", messages)]
    said = {"messages": messages, "model": model, **options}
    unknown = said.keys() - set(ChatRequest.__struct_fields__)
    if unknown:
        raise TypeError(f"a chat request has no {', '.join(sorted(unknown))}")
    return convert(said, ChatRequest)
