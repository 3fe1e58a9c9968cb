"""Which calls people must agree to before they are made."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from pepperpy_agents.context import Context
from pepperpy_bus.redaction import escape
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.errors import BadConfig

ALL: Final = "*"
_SHOWN: Final = 8000
"""Characters of arguments that people are shown; nobody agrees to what they cannot read."""


class Approval(msgspec.Struct, frozen=True):
    """Which calls people must agree to.

    Attributes:
        names: Names of tools; ``http`` stands for ``http.get`` and all others below it, ``*`` for
            every tool.
        within: Seconds after which no answer is a no; None to wait as long as it takes.
    """

    names: tuple[str, ...] = ()
    within: float | None = None

    @classmethod
    def of(
        cls, names: Iterable[str], tools: Iterable[str], *, within: Duration | None = None
    ) -> "Approval":
        """Returns the approval for these names.

        Args:
            names: Names of tools, as in ``names``.
            tools: The names of all tools that there are.
            within: How long an answer is waited for.

        Raises:
            BadConfig: A name stands for no tool: what it should guard would not be guarded.
        """
        if isinstance(names, str):
            raise BadConfig(f"approve is a list, not the text {names!r:.80}", hint="put it in [ ]")
        there = list(tools)
        wanted = cls(tuple(names), None if within is None else parse_duration(within))
        for name in wanted.names:
            if not any(cls((name,)).covers(tool) for tool in there):
                raise BadConfig(
                    f"approve: there is no tool {name!r:.80}",
                    hint=f"there is {', '.join(there)}" if there else "the agent has no tools",
                )
        return wanted

    def covers(self, tool: str) -> bool:
        """Returns whether people must agree to calls of a tool, by its name or the model's for it.

        Nothing else counts, so that a repeated attempt comes by the same way.
        """
        called = _alias(tool)
        return any(
            name == ALL or called == _alias(name) or called.startswith(f"{_alias(name)}_")
            for name in self.names
        )

    async def refusal(self, ctx: Context, caller: str, tool: str, call: ToolCall) -> str:
        """Asks people, and returns why a call is not made, or an empty text.

        Args:
            ctx: The task's context.
            caller: The agent.
            tool: The tool's name.
            call: The call.
        """
        shown = _as_read(call.arguments)
        if len(shown) > _SHOWN:
            return f"its arguments have more than {_SHOWN} characters, too many to be agreed to"
        # Written out: nobody shall be shown one thing and agree to another.
        text = f"{caller} wants to call {tool} with {escape(shown)}. May it?"
        if self.within is None:
            said = await ctx.ask(text, choices=["yes", "no"], type=str)
        else:
            said = await ctx.ask(
                text, choices=["yes", "no"], deadline=self.within, default="no", type=str
            )
        return "" if said == "yes" else "a person has refused it; do not try it again"


def _as_read(arguments: str) -> str:
    """Arguments as the tool reads them: no character is hidden, and no key there twice."""
    try:
        return encode(decode(arguments.encode(), Any)).decode()
    except (PepperError, UnicodeEncodeError):
        return arguments


def _alias(name: str) -> str:
    return name.replace(".", "_")
