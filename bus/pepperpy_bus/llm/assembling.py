"""From the pieces of a streamed answer to the whole of it."""

from collections.abc import AsyncIterable, Sequence
from typing import Literal, Protocol

from pepperpy_schemas.chat import (
    ChatMessage,
    ChatReply,
    Delta,
    End,
    Part,
    Reasoning,
    Reset,
    Text,
    ToolCall,
    ToolCallDelta,
)
from pepperpy_schemas.errors import StreamBroken


class Piece(Protocol):
    """What a model says next: a `Delta`, or what a provider's answer is read as."""

    @property
    def text(self) -> str:
        """The next piece of text."""
        ...

    @property
    def reasoning(self) -> str:
        """The next piece of reasoning."""
        ...

    @property
    def signature(self) -> str:
        """The provider's proof of the reasoning, at its end."""
        ...

    @property
    def data(self) -> str:
        """Reasoning that the provider keeps secret; with a signature it belongs to that."""
        ...

    @property
    def tool_calls(self) -> Sequence[ToolCallDelta]:
        """The next pieces of tool calls."""
        ...


class _Growing:
    """A part that still grows."""

    def __init__(self, kind: Literal["text", "reasoning"]) -> None:
        self.kind = kind
        self.texts: list[str] = []
        self.signature = ""
        self.data = ""

    def part(self) -> Text | Reasoning:
        text = "".join(self.texts)
        return Text(text) if self.kind == "text" else Reasoning(text, self.signature, self.data)


class _Call:
    """A call of a tool that still grows."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def part(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments) or "{}")


class Assembling:
    """An answer that grows with each piece; a reset begins it anew."""

    def __init__(self) -> None:
        self._parts: list[_Growing] = []
        self._calls: dict[int, _Call] = {}

    def add(self, item: Delta | Reset | End) -> None:
        """Takes the next item of a stream."""
        match item:
            case Reset():
                self._parts.clear()
                self._calls.clear()
            case Delta():
                self.grow(item)
            case End():
                pass

    def grow(self, piece: Piece) -> None:
        """Takes the next piece; what follows a proof, or secret thoughts, is another thought."""
        if piece.reasoning:
            self._last("reasoning").texts.append(piece.reasoning)
        if piece.signature:
            signed = self._last("reasoning")
            signed.signature, signed.data = piece.signature, piece.data
        elif piece.data:
            self._begin("reasoning").data = piece.data
        if piece.text:
            self._last("text").texts.append(piece.text)
        for call in piece.tool_calls:
            self._add_call(call)

    @property
    def message(self) -> ChatMessage:
        """What the model has said so far."""
        parts: list[Part] = [one.part() for one in self._parts]
        parts += [self._calls[index].part() for index in sorted(self._calls)]
        if all(isinstance(part, Text) for part in parts):
            return ChatMessage("assistant", "".join(t for one in self._parts for t in one.texts))
        return ChatMessage("assistant", parts)

    def _last(self, kind: Literal["text", "reasoning"]) -> _Growing:
        """The part that goes on, or a new one."""
        last = self._parts[-1] if self._parts else None
        if last is None or last.kind != kind or last.signature or last.data:
            return self._begin(kind)
        return last

    def _begin(self, kind: Literal["text", "reasoning"]) -> _Growing:
        self._parts.append(_Growing(kind))
        return self._parts[-1]

    def _add_call(self, piece: ToolCallDelta) -> None:
        call = self._calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.arguments.append(piece.arguments)


async def assemble(items: AsyncIterable[Delta | Reset | End]) -> ChatReply:
    """Reads a streamed answer to its end and returns it as a whole one.

    Raises:
        StreamBroken: It has no end.
    """
    answer = Assembling()
    async for item in items:
        answer.add(item)
        if isinstance(item, End):
            return ChatReply(
                message=answer.message,
                finish=item.finish,
                usage=item.usage,
                model=item.model,
                usd=item.usd,
                attempts=item.attempts,
                cached=item.cached,
                similarity=item.similarity,
            )
    raise StreamBroken("the answer has no end")
