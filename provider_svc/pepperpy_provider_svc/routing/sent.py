"""What a caller has been sent of a streamed answer, as far as it decides on a new beginning."""

import json

from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ToolCallDelta


class Sent:
    """The pieces of one call that the caller has seen.

    Attributes:
        started: Whether there was any.
        tool_called: Whether a whole tool call was among them, which the caller may have made.
    """

    def __init__(self) -> None:
        self.started = False
        self.tool_called = False
        self._arguments: dict[int, str] = {}

    def add(self, piece: Chunk) -> None:
        """A piece is sent."""
        self.started = True
        for call in piece.tool_calls:
            self._add_call(call)

    def _add_call(self, call: ToolCallDelta) -> None:
        if any(index < call.index for index in self._arguments):
            self.tool_called = True  # the next one has begun
        arguments = self._arguments.get(call.index, "") + call.arguments
        self._arguments[call.index] = arguments
        if call.arguments.rstrip().endswith("}") and _is_json(arguments):
            self.tool_called = True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
