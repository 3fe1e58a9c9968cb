"""What a caller has been sent of a streamed answer, as far as it decides on a new beginning."""

from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ToolCallDelta


class Arguments:
    """The arguments of a tool call as they come, character by character.

    Attributes:
        whole: Whether the JSON that they are has come to its end.
    """

    def __init__(self) -> None:
        self.whole = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, text: str) -> None:
        """The next piece is there."""
        for sign in text:
            if self._escaped:
                self._escaped = False
            elif sign == "\\":
                self._escaped = True
            elif sign == '"':
                self._quoted = not self._quoted
            elif not self._quoted:
                self._nest(sign)

    def _nest(self, sign: str) -> None:
        if sign in "{[":
            self._depth += 1
        elif sign in "}]":
            self._depth -= 1
            self.whole = self.whole or self._depth <= 0


class Sent:
    """The pieces of one call that the caller has seen.

    Attributes:
        started: Whether there was any.
        tool_called: Whether a whole tool call was among them, which the caller may have made.
    """

    def __init__(self) -> None:
        self.started = False
        self.tool_called = False
        self._calls: dict[int, Arguments] = {}
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """All that the model has written: text, thoughts and arguments."""
        return "".join(self._texts)

    def add(self, piece: Chunk) -> None:
        """A piece is sent."""
        self.started = True
        self._texts += (piece.reasoning, piece.data, piece.text)
        for call in piece.tool_calls:
            self._add_call(call)

    def _add_call(self, call: ToolCallDelta) -> None:
        arguments = self._calls.setdefault(call.index, Arguments())
        arguments.feed(call.arguments)
        self._texts.append(call.arguments)
        # When the next call has begun, those before it are whole, even if they have no arguments.
        if arguments.whole or any(index < call.index for index in self._calls):
            self.tool_called = True
