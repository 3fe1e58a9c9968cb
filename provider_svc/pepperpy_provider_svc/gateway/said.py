"""What a model has said so far, put together from its pieces."""

from collections.abc import Iterator

import msgspec

from pepperpy_provider_svc.guards.structured import check, cleaned
from pepperpy_provider_svc.limits.estimate import input_tokens, text_tokens
from pepperpy_provider_svc.routing.router import Answered, Restarted
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    Finish,
    Part,
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
        any: Whether there has been a piece.
        size: Characters so far.
    """

    def __init__(self) -> None:
        self.answered: Answered[None] | None = None
        self.finish: Finish = "stop"
        self.any = False
        self.size = 0
        self._lost = 0
        self._begin()

    def _begin(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._signature = ""
        self._data = ""
        self._calls: dict[int, list[str]] = {}

    def take(self, piece: Chunk | Restarted) -> None:
        """Adds a piece."""
        self.any = True
        if isinstance(piece, Restarted):
            self._lost += text_tokens(self._written())
            self.size = 0
            self._begin()
            return
        self._texts.append(piece.text)
        self._thoughts.append(piece.reasoning)
        self._signature += piece.signature
        self._data += piece.data
        self.size += len(piece.text) + len(piece.reasoning)
        for call in piece.tool_calls:
            known = self._calls.setdefault(call.index, ["", "", ""])
            for place, more in enumerate((call.id, call.name, call.arguments)):
                known[place] += more
            self.size += len(call.arguments)
        if piece.finish is not None:
            self.finish = piece.finish

    @property
    def message(self) -> ChatMessage:
        """The message, as a whole answer has it."""
        text, thoughts = "".join(self._texts), "".join(self._thoughts)
        parts: list[Part] = []
        if thoughts or self._signature or self._data:
            parts.append(Reasoning(thoughts, self._signature, self._data))
        if text:
            parts.append(Text(text))
        parts += [ToolCall(*self._calls[index]) for index in sorted(self._calls)]
        if [type(part) for part in parts] in ([], [Text]):
            return ChatMessage("assistant", text)
        return ChatMessage("assistant", parts)

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

    def estimate(self, request: ChatRequest) -> Usage:
        """Returns the tokens that it has probably taken when nobody says it."""
        written = self._lost + text_tokens(self._written())
        return Usage(input_tokens=input_tokens(request), output_tokens=written)

    def _written(self) -> str:
        calls = (arguments for _, _, arguments in self._calls.values())
        return "".join((*self._texts, *self._thoughts, *calls))

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
