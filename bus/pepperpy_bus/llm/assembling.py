"""From the pieces of a streamed answer to the whole of it."""

from collections.abc import AsyncIterable
from typing import Literal

import msgspec

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


class _Piece(msgspec.Struct):
    """A part that still grows."""

    kind: Literal["text", "reasoning"]
    text: str = ""
    signature: str = ""
    data: str = ""

    def part(self) -> Text | Reasoning:
        if self.kind == "text":
            return Text(self.text)
        return Reasoning(self.text, self.signature, self.data)


class Assembling:
    """An answer that grows with each piece; a reset begins it anew."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._calls: dict[int, ToolCall] = {}

    def add(self, item: Delta | Reset | End) -> None:
        """Takes the next piece."""
        match item:
            case Reset():
                self._pieces.clear()
                self._calls.clear()
            case Delta():
                self._grow(item)
            case End():
                pass

    @property
    def message(self) -> ChatMessage:
        """What the model has said so far."""
        parts: list[Part] = [piece.part() for piece in self._pieces]
        parts += [self._calls[index] for index in sorted(self._calls)]
        if all(isinstance(part, Text) for part in parts):
            return ChatMessage("assistant", "".join(piece.text for piece in self._pieces))
        return ChatMessage("assistant", parts)

    def _grow(self, delta: Delta) -> None:
        if delta.reasoning:
            # What follows its proof is another thought.
            self._last("reasoning", signed=False).text += delta.reasoning
        if delta.signature:
            self._last("reasoning").signature += delta.signature
        if delta.data:
            self._pieces.append(_Piece("reasoning", data=delta.data))
        if delta.text:
            self._last("text").text += delta.text
        for call in delta.tool_calls:
            self._add_call(call)

    def _last(self, kind: Literal["text", "reasoning"], *, signed: bool = True) -> _Piece:
        """The part that goes on, or a new one."""
        last = self._pieces[-1] if self._pieces else None
        if last is None or last.kind != kind or last.data or (last.signature and not signed):
            last = _Piece(kind)
            self._pieces.append(last)
        return last

    def _add_call(self, piece: ToolCallDelta) -> None:
        call = self._calls.get(piece.index, ToolCall("", "", ""))
        self._calls[piece.index] = ToolCall(
            call.id or piece.id, call.name or piece.name, call.arguments + piece.arguments
        )


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
            )
    raise StreamBroken("the answer has no end")
