"""What a model has said so far, put together from its pieces."""

from collections.abc import Iterator

import msgspec

from pepperpy_bus.llm.assembling import Assembling
from pepperpy_provider_svc.guards.structured import check, cleaned
from pepperpy_provider_svc.routing.router import Answered, Restarted
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    Finish,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pepperpy_schemas.errors import BadOutput


class Said:
    """The pieces of an answer; one that begins anew forgets what was before.

    Attributes:
        answered: Who has answered, at the end.
        finish: Why the model stopped.
        size: Characters so far.
    """

    def __init__(self) -> None:
        self.answered: Answered[None] | None = None
        self.finish: Finish = "stop"
        self.size = 0
        self._said = Assembling()

    def take(self, piece: Chunk | Restarted) -> None:
        """Adds a piece."""
        if isinstance(piece, Restarted):
            self.size = 0
            self._said = Assembling()
            return
        self._said.grow(piece)
        self.size += len(piece.text) + len(piece.reasoning)
        self.size += sum(len(call.arguments) for call in piece.tool_calls)
        if piece.finish is not None:
            self.finish = piece.finish

    @property
    def message(self) -> ChatMessage:
        """The message, as a whole answer has it."""
        return self._said.message

    def reply(self, usage: Usage, usd: float | None) -> ChatReply:
        """Returns the whole answer, once it is known who gave it."""
        assert self.answered is not None, "a stream ends with who answered, or raises"
        return ChatReply(
            message=self.message,
            finish=self.finish,
            usage=usage,
            model=self.answered.target,
            usd=usd,
            attempts=self.answered.attempts,
        )

    @staticmethod
    def chunks(message: ChatMessage) -> Iterator[Chunk]:
        """Yields a whole message as pieces."""
        index = 0
        for part in message.parts:
            match part:
                case Text(text):
                    yield Chunk(text=text)
                case Reasoning(text, signature, data):
                    yield Chunk(reasoning=text, signature=signature, data=data)
                case ToolCall(id_, name, arguments):
                    yield Chunk(tool_calls=(ToolCallDelta(index, id_, name, arguments),))
                    index += 1
                case _:
                    pass


def has_content(chunk: Chunk) -> bool:
    """Whether a piece says anything but the end."""
    return bool(chunk.text or chunk.reasoning or chunk.signature or chunk.data or chunk.tool_calls)


def has_form(request: ChatRequest, reply: ChatReply) -> bool:
    """Whether an answer is one whose form was asked for: no call of a tool, and not cut short."""
    return request.response_format is not None and reply.finish == "stop" and not reply.tool_calls


def misfit(request: ChatRequest, reply: ChatReply) -> BadOutput | None:
    """Returns what is wrong with an answer that should have had a form, or None."""
    form = request.response_format
    return check(form, reply.text) if form is not None and has_form(request, reply) else None


def bare(request: ChatRequest, reply: ChatReply) -> ChatReply:
    """Returns an answer that fits without what the model has written around its JSON."""
    if not has_form(request, reply):
        return reply
    return msgspec.structs.replace(reply, message=cleaned(reply.message))
