"""What is left out of a conversation that has become too long for the model. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from pepperpy_schemas.chat import ChatMessage, Part, ToolResult

_LEFT: Final = 200
"""Characters that are left of a tool's result, or of what was said before."""
_NOTE: Final = "[the rest was left out: the conversation became too long]"


def shortened(messages: Sequence[ChatMessage], before: int = 0) -> list[ChatMessage] | None:
    """Returns the conversation with less in it, or None when nothing can be left out.

    First the results of tools are cut but for those of the last turn, then what was said before
    the question, then the last results, too. Every call keeps a result: providers refuse a
    conversation with calls that have none.

    Args:
        messages: The conversation, its instructions first.
        before: So many messages behind the instructions were said before the question.
    """
    turns = [n for n, one in enumerate(messages) if one.role == "tool"]
    for chosen in (turns[:-1], range(1, before + 1), turns[-1:]):
        cut = [_cut(one) if n in chosen else one for n, one in enumerate(messages)]
        if cut != list(messages):
            return cut
    return None


def _cut(message: ChatMessage) -> ChatMessage:
    if isinstance(message.content, str):
        return ChatMessage(message.role, _less(message.content))
    return ChatMessage(message.role, [_cut_part(one) for one in message.parts])


def _cut_part(part: Part) -> Part:
    if not isinstance(part, ToolResult):
        return part
    return msgspec.structs.replace(part, content=_less(part.content))


def _less(text: str) -> str:
    return text if len(text) <= _LEFT + len(_NOTE) + 1 else f"{text[:_LEFT]}\n{_NOTE}"
