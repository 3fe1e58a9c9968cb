"""Talking to language models: one neutral form for every provider's.

A request names a model by an alias or as ``provider/model``. A whole answer is one `ChatReply`; a
streamed one is `Ack`, then any number of `Delta`, `KeepAlive` and `Reset`, and exactly one `End` or
an error. Items carry numbers: one that is missing means that the answer is not whole.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Attempt, Count

Finish: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why the model stopped: done, at the limit of tokens, to call tools, or filtered."""

Text1 = Annotated[str, msgspec.Meta(min_length=1)]


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="text"):
    """A piece of text.

    Attributes:
        text: The text.
        cache: Whether the provider shall keep the prompt up to here for later requests.
    """

    text: str
    cache: bool = False


class Image(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="image"):
    """A picture by reference.

    Attributes:
        url: An https address that the provider fetches, or ``blob:`` and a reference to the
            deployment's object store, as the header ``Pp-Blob`` has it.
        media_type: What it is, needed for one in the object store: ``image/png``.
    """

    url: str
    media_type: str = ""


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tool_call"):
    """The model wants a tool to be called.

    Attributes:
        id: Id of the call; the result names it.
        name: The tool.
        arguments: Its arguments as the model wrote them: JSON, or what it took for JSON.
    """

    id: str
    name: str
    arguments: str = "{}"


class ToolResult(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tool_result"
):
    """What a tool returned.

    Attributes:
        id: Id of the call.
        content: What it returned, as text.
        error: Whether the tool failed.
    """

    id: str
    content: str
    error: bool = False


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="reasoning"):
    """What the model thought before its answer; given back unchanged in the next request.

    Attributes:
        text: The thoughts, or a summary of them.
        signature: The provider's proof that it wrote them.
        data: The thoughts when the provider keeps them secret.
    """

    text: str = ""
    signature: str = ""
    data: str = ""


Part: TypeAlias = Text | Image | ToolCall | ToolResult | Reasoning


class ChatMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation.

    Attributes:
        role: Who speaks; results of tools are said by ``tool``.
        content: A text, or parts.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] = ""

    @property
    def parts(self) -> list[Part]:
        """The content as parts."""
        if isinstance(self.content, str):
            return [Text(self.content)] if self.content else []
        return self.content

    @property
    def text(self) -> str:
        """The text of all its parts."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls that it asks for."""
        return [part for part in self.parts if isinstance(part, ToolCall)]


class ToolSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that the model may call.

    Attributes:
        name: Its name.
        description: What it does, for the model.
        parameters: JSON Schema of its arguments, an object's; none by default.
    """

    name: Text1
    description: str = ""
    parameters: dict[str, Any] = {}


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer shall be JSON of a schema; it is checked, and mended once when it does not fit.

    Attributes:
        schema: JSON Schema of the answer, an object's.
        name: What the answer is, for the model.
    """

    schema: dict[str, Any]
    name: Text1 = "answer"


class ChatRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a model is asked.

    Attributes:
        messages: The conversation, oldest first.
        model: An alias of the provider service, or ``provider/model``.
        fallbacks: Models to try when all targets of ``model`` fail.
        tools: Tools that may be called.
        tool_choice: ``auto``, ``none``, ``required``, or the name of the tool to call.
        response_format: The form of the answer; free text when it is not given.
        max_tokens: Most tokens of the answer, without those of its reasoning; the model's own limit
            by default.
        temperature: From 0, always the likeliest answer, up.
        top_p: Part of the probability from which words are drawn.
        stop: Texts at which the answer ends.
        seed: Makes answers repeatable where the provider can.
        reasoning: How long to think, where the model can.
        no_restart: Whether an answer that breaks after pieces of it were sent is an error, and does
            not begin anew.
        cache: ``auto`` takes a stored answer of the same request at temperature 0, ``on`` at any,
            ``off`` never.
        prompt_cache_key: Requests of one key have the same beginning, which the provider may keep.
        tenant: For whom it is, where the caller may speak for several; its own by default.
    """

    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1)]
    model: Text1 = "default"
    fallbacks: Annotated[list[Text1], msgspec.Meta(max_length=8)] = []
    tools: Annotated[list[ToolSpec], msgspec.Meta(max_length=256)] = []
    tool_choice: Text1 = "auto"
    response_format: ResponseFormat | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    stop: Annotated[list[Text1], msgspec.Meta(max_length=16)] = []
    seed: int | None = None
    reasoning: Literal["none", "low", "medium", "high"] | None = None
    no_restart: bool = False
    cache: Literal["auto", "on", "off"] = "auto"
    prompt_cache_key: str = ""
    tenant: str = ""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of a request.

    Attributes:
        input_tokens: Of the request, those from the provider's cache included.
        output_tokens: Of the answer, its reasoning included.
        cached_tokens: Input tokens that the provider had kept.
        cache_write_tokens: Input tokens that the provider keeps from now on.
        reasoning_tokens: Output tokens of the reasoning.
    """

    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    reasoning_tokens: Count = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(a + b for a, b in zip(_numbers(self), _numbers(other), strict=True)))


def _numbers(usage: Usage) -> list[int]:
    return [getattr(usage, field) for field in Usage.__struct_fields__]


class Try(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a provider on the way to an answer.

    Attributes:
        target: ``provider/model``.
        ms: How long it took, in milliseconds.
        code: Code of the error that ended it; empty when it answered.
        message: The error in a sentence.
    """

    target: str
    ms: Count = 0
    code: str = ""
    message: str = ""


class ChatReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole answer.

    Attributes:
        message: What the model said.
        finish: Why it stopped.
        usage: Tokens of every call that was paid for it.
        model: ``provider/model`` that answered.
        usd: What that cost; null where no price is known.
        attempts: The calls that were made for it, the last one answered.
        cached: Whether it is a stored answer, or one that another request pays: it costs nothing.
        similarity: Of the question that the stored answer was given to, as a cosine; null where
            that was this very request.
    """

    message: ChatMessage
    finish: Finish
    usage: Usage
    model: str
    usd: float | None = None
    attempts: list[Try] = []
    cached: bool = False
    similarity: float | None = None

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls that the model asks for."""
        return self.message.tool_calls


class ToolCallDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a tool call.

    Attributes:
        index: Which call of the answer, from 0.
        id: Its id, in the first piece.
        name: The tool, in the first piece.
        arguments: The next piece of the arguments' JSON.
    """

    index: Count
    id: str = ""
    name: str = ""
    arguments: str = ""


class Ack(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="ack"):
    """The request was taken.

    Attributes:
        n: Number of the item: 1.
        id: Id of the request, by which it can be cancelled.
    """

    n: Attempt
    id: str = ""


class Delta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="delta"):
    """The next piece of the answer.

    Attributes:
        n: Number of the item.
        text: The next piece of text.
        reasoning: The next piece of reasoning.
        signature: The provider's proof of the reasoning, at its end.
        data: Reasoning that the provider keeps secret.
        tool_calls: The next pieces of tool calls.
    """

    n: Attempt
    text: str = ""
    reasoning: str = ""
    signature: str = ""
    data: str = ""
    tool_calls: list[ToolCallDelta] = []


class KeepAlive(msgspec.Struct, frozen=True, tag_field="type", tag="keepalive"):
    """Nothing new, but it is still being worked on.

    Attributes:
        n: Number of the item before it: it has none of its own.
    """

    n: Attempt


class Reset(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="reset"):
    """The answer begins anew: what was sent of it does not count.

    Attributes:
        n: Number of the item.
        code: Code of the error that broke it.
        reason: The same in a sentence.
    """

    n: Attempt
    code: str = ""
    reason: str = ""


class End(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="end"):
    """The answer is whole.

    Attributes:
        n: Number of the item.
        finish: Why the model stopped.
        usage: Tokens of every call that was paid for it.
        model: ``provider/model`` that answered.
        usd: What that cost; null where no price is known.
        attempts: The calls that were made for it, the last one answered.
        cached: Whether it is a stored answer, or one that another request pays: it costs nothing.
        similarity: Of the question that the stored answer was given to, as a cosine; null where
            that was this very request.
    """

    n: Attempt
    finish: Finish
    usage: Usage
    model: str
    usd: float | None = None
    attempts: list[Try] = []
    cached: bool = False
    similarity: float | None = None


ChatItem: TypeAlias = Ack | Delta | KeepAlive | Reset | End
"""What a streamed answer consists of."""
