"""Limits of one task of an agent that thinks, and what it has used of them. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from pepperpy_schemas.chat import ChatReply, ToolCall, Usage
from pepperpy_schemas.errors import BadConfig

_WORDS: Final = {
    "turns": "the most questions to the model",
    "tool_calls": "the most calls of tools",
    "repeats": "the same call with the same arguments as often as is allowed",
    "tokens": "the most tokens",
    "usd": "the most money",
    "seconds": "the most time",
    "deadline": "the end of the time in which an answer is of use",
}
_EARLY: Final = 0.01
"""Seconds by which a timer may end a call before its time."""
_ROUNDS: Final = 2.0
"""So many of its longest turns must be left before the deadline for another one."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task is stopped: one answer without tools is then asked for, whatever it costs.

    Attributes:
        turns: Questions to the model in which it may call tools.
        tool_calls: Calls of tools.
        tokens: Tokens of all answers and questions; None for any number.
        usd: US dollars; answers without a known price cost nothing here. None for any sum.
        seconds: Seconds at work: models and tools, not what people and other agents take.
        repeats: How often the same call with the same arguments may be made.
        repairs: How often an answer may be asked for again that does not fit its form.
    """

    turns: int = 12
    tool_calls: int = 32
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    repeats: int = 3
    repairs: int = 2

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            least = 0 if name in ("tool_calls", "repairs") else 1
            if name in ("usd", "seconds"):
                if value is not None and (type(value) not in (int, float) or not value > 0):
                    raise BadConfig(f"limit {name} is {value!r}", hint="use more than 0")
            elif value is not None and (type(value) is not int or value < least):
                raise BadConfig(
                    f"limit {name} is {value!r}", hint=f"use a whole number from {least}"
                )


class Spent(msgspec.Struct):
    """What a task has used so far.

    Attributes:
        turns: Answers of the model.
        tool_calls: Calls of tools that were made.
        repairs: Answers that did not fit.
        usage: Tokens that were paid.
        usd: US dollars.
        seconds: Seconds at work.
        longest: Seconds of the longest turn.
        calls: How often each call was made, by tool and arguments.
        refused: The limit that the last turn ran into, or empty.
    """

    turns: int = 0
    tool_calls: int = 0
    repairs: int = 0
    usage: Usage = Usage()
    usd: float = 0.0
    seconds: float = 0.0
    longest: float = 0.0
    calls: Counter[str] = msgspec.field(default_factory=Counter)
    refused: str = ""

    def pay(self, reply: ChatReply) -> None:
        """Adds what an answer cost; a stored one is free."""
        if not reply.cached:
            self.usage += reply.usage
            self.usd += reply.usd or 0.0


def reached(limits: Limits, spent: Spent, left: float | None) -> str:
    """Returns the limit at which no tool may be called any more, or an empty text.

    Args:
        limits: The limits.
        spent: What was used.
        left: Seconds until the task's deadline; None without one.
    """
    if spent.refused:
        return spent.refused
    used = (
        ("turns", spent.turns, limits.turns),
        ("tokens", spent.usage.total_tokens, limits.tokens),
        ("usd", spent.usd, limits.usd),
        ("seconds", spent.seconds + _EARLY, limits.seconds),
    )
    for name, so_far, most in used:
        if most is not None and so_far >= most:
            return name
    late = left is not None and spent.turns > 0 and left < _ROUNDS * spent.longest
    return "deadline" if late else ""


def refusals(limits: Limits, spent: Spent, calls: Sequence[ToolCall]) -> list[str]:
    """Returns for each call the limit that forbids it, or an empty text."""
    made, seen = spent.tool_calls, Counter(spent.calls)
    found = []
    for call in calls:
        same = sameness(call)
        if made >= limits.tool_calls:
            found.append("tool_calls")
        elif seen[same] >= limits.repeats:
            found.append("repeats")
        else:
            found.append("")
            made += 1
            seen[same] += 1
    return found


def sameness(call: ToolCall) -> str:
    """Returns a text that is equal for calls of a tool with equal arguments."""
    try:
        arguments = msgspec.json.encode(msgspec.json.decode(call.arguments), order="sorted")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return f"{call.name} {call.arguments}"
    return f"{call.name} {arguments.decode()}"


def in_words(limit: str) -> str:
    """Returns what a limit is called before a model."""
    return _WORDS[limit]
