"""The pieces of a streamed answer put together to the whole one."""

from typing import Final

from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion
from pepperpy_schemas.chat import (
    ChatMessage,
    Finish,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pepperpy_schemas.errors import StreamBroken

_NO_END: Final = "the answer ended before the model said why it stopped"


class Assembly:
    """An answer as far as it has come.

    Attributes:
        finish: Why the model stopped; None until it has.
        usage: Tokens so far.
    """

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.usage = Usage()
        self._text: list[str] = []
        self._reasoning: list[Reasoning] = []
        self._open: list[str] = []
        self._calls: dict[int, list[ToolCallDelta]] = {}

    def add(self, chunk: Chunk) -> None:
        """Adds the next piece."""
        if chunk.reasoning:
            self._open.append(chunk.reasoning)
        if chunk.signature or chunk.data:
            self._close(chunk.signature, chunk.data)
        if chunk.text:
            self._text.append(chunk.text)
        for piece in chunk.tool_calls:
            self._calls.setdefault(piece.index, []).append(piece)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.finish is not None:
            self.finish = chunk.finish

    def completion(self) -> Completion:
        """Returns the whole answer.

        Raises:
            StreamBroken: Its finish is missing.
        """
        if self.finish is None:
            raise StreamBroken(_NO_END)
        message = ChatMessage(role="assistant", content=self._content())
        return Completion(message=message, finish=self.finish, usage=self.usage)

    def _content(self) -> str | list[Part]:
        if self._open:
            self._close("", "")
        text = "".join(self._text)
        parts: list[Part] = [*self._reasoning, *([Text(text)] if text else [])]
        parts += [_joined(self._calls[index]) for index in sorted(self._calls)]
        return simple(parts)

    def _close(self, signature: str, data: str) -> None:
        self._reasoning.append(Reasoning(text="".join(self._open), signature=signature, data=data))
        self._open = []


def _joined(pieces: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id="".join(piece.id for piece in pieces),
        name="".join(piece.name for piece in pieces),
        arguments="".join(piece.arguments for piece in pieces) or "{}",
    )


def simple(parts: list[Part]) -> str | list[Part]:
    """Returns the content of an answer of these parts: a text when it is nothing else."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(parts) else parts
