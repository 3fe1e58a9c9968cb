"""What the tools of somebody else's agent may do, as whoever puts it on the bus has said."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pepperpy_agents.tools.scopes import Grants
from pepperpy_agents.tools.tool import Arguments

Needs = str | Sequence[str] | Callable[[Arguments], str | Sequence[str]]
"""What a tool needs: a scope, several, or a function of the call's arguments."""


class Guard(msgspec.Struct, frozen=True):
    """What the tools of an agent may do.

    Attributes:
        caller: The agent.
        grants: What it may do.
        needs: What tools need, by their names; others need nothing.
    """

    caller: str
    grants: Grants = Grants()
    needs: Mapping[str, Needs] = {}

    def scopes(self, tool: str, arguments: Arguments) -> tuple[str, ...]:
        """Returns what a call needs."""
        needs = self.needs.get(tool, ())
        found = needs(arguments) if callable(needs) else needs
        return (found,) if isinstance(found, str) else tuple(found)
