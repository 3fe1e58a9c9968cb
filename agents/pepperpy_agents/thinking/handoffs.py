"""Handing a question on: another agent answers it, with what was said so far, and that is that.

The other agent is a topic: whoever pulls it, in whatever language. Its task is an object:

```json
{"text": "where is my parcel?", "session": "c42",
 "conversation": [{"role": "user", "text": "…"}, {"role": "assistant", "text": "…"}],
 "handoff": {"from": "triage", "reason": "it is about a delivery", "hops": ["triage"]}}
```
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pepperpy_agents.thinking.questions import Question
from pepperpy_schemas.chat import ChatMessage, ToolCall, ToolSpec
from pepperpy_schemas.tokens import check_topic

MAX_HOPS: Final = 4
"""So often a question is handed on at most."""
_NAME: Final = "transfer_to_"
_REASON: Final = 500
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"reason": {"type": "string", "description": "Why, in one sentence."}},
    "required": ["reason"],
    "additionalProperties": False,
}


class Handoff(msgspec.Struct, frozen=True):
    """Somebody who may be handed the question.

    Attributes:
        topic: The topic of the other agent.
        description: What it is for, for the model.
    """

    topic: str
    description: str = ""

    def __post_init__(self) -> None:
        check_topic(self.topic)

    @property
    def tool(self) -> str:
        """The name by which a model hands on."""
        return f"{_NAME}{self.topic}"[:64]

    @property
    def spec(self) -> ToolSpec:
        """What a model is told of it."""
        about = self.description or f"the agent for {self.topic}"
        text = f"Hands the whole conversation to another agent, which answers instead: {about}."
        return ToolSpec(self.tool, text, _PARAMETERS)


def open_to(handoffs: Sequence[Handoff], topic: str, question: Question) -> tuple[Handoff, ...]:
    """Returns those who may be handed a question: none that had it, and none after too many.

    Args:
        handoffs: All that the agent knows.
        topic: The agent's own topic.
        question: The question; it says who has handed it on.
    """
    if len(question.hops) >= MAX_HOPS:
        return ()
    return tuple(one for one in handoffs if one.topic not in (*question.hops, topic))


def handed_on(
    question: Question, *, agent: str, topic: str, call: ToolCall, session: str
) -> dict[str, Any]:
    """Returns the task for the other agent.

    Args:
        question: The question.
        agent: The agent's name.
        topic: The topic of its task.
        call: The call that hands on.
        session: The conversation that it belongs to, or empty.
    """
    before = [{"role": one.role, "text": one.text} for one in question.before]
    given = {"session": session} if session else {}
    return {
        "text": question.text,
        **given,
        "conversation": before,
        "handoff": {"from": agent, "reason": _reason(call), "hops": [*question.hops, topic]},
    }


def conversation(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Returns what was said in messages, without tools and what the agent was told besides."""
    return tuple(one for one in messages if one.role in ("user", "assistant") and one.text)


def _reason(call: ToolCall) -> str:
    try:
        said = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    reason = said.get("reason") if isinstance(said, dict) else None
    return reason[:_REASON] if isinstance(reason, str) else ""
