"""What an agent has answered, and what that took."""

from typing import Any

import msgspec

from pepperpy_agents.thinking.limits import Spent
from pepperpy_schemas.chat import Usage


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer with what it took: the result of an agent that gives ``details``.

    Attributes:
        output: The answer, in the form that the agent gives.
        stopped: The limit that ended the work: ``turns``, ``tool_calls``, ``repeats``, ``tokens``,
            ``usd``, ``seconds``, ``deadline``; ``length`` or ``content_filter`` where the provider
            cut the answer off; empty when the model was done.
        handed_to: The topic whose agent has answered instead, or empty.
        turns: Answers of the model.
        tool_calls: Calls of tools.
        usage: Tokens that were paid.
        usd: What it cost, as far as prices are known.
        seconds: Seconds of models and tools at work.
    """

    output: Any
    stopped: str = ""
    handed_to: str = ""
    turns: int = 0
    tool_calls: int = 0
    usage: Usage = Usage()
    usd: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, output: Any, spent: Spent, *, stopped: str = "", handed_to: str = "") -> "Answer":
        """Returns an answer with what was spent."""
        return cls(
            output,
            stopped,
            handed_to,
            spent.turns,
            spent.tool_calls,
            spent.usage,
            round(spent.usd, 9),
            round(spent.seconds, 3),
        )

    @property
    def told(self) -> dict[str, Any]:
        """Its figures, for the event that tells of it."""
        return {
            "stopped": self.stopped,
            "handed_to": self.handed_to,
            "turns": self.turns,
            "tool_calls": self.tool_calls,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "usd": self.usd,
            "seconds": self.seconds,
        }
