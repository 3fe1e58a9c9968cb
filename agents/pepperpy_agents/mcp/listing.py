"""The tools of a server: read page by page, and held to what was said of them first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.mcp.described import Described, clean, described
from pepperpy_bus.redaction import scrub
from pepperpy_schemas.errors import BadPayload

if TYPE_CHECKING:
    from mcp import Client

MOST_TOOLS: Final = 256
"""Tools of one server; what more it lists is left out."""
_PAGES: Final = 32
_SHOWN: Final = 500

Say = Callable[..., None]
"""Logs a fact once: what tells it apart, the event's name, and more."""


async def listed(name: str, client: "Client", say: Say) -> list[Described]:
    """Returns the tools that a server lists now; those that cannot be are left out.

    Args:
        name: The server.
        client: The session with it.
        say: Logs what is left out.
    """
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor or len(found) > MOST_TOOLS:
            break
    if len(found) > MOST_TOOLS:
        say("many", "mcp.too_many_tools", most=MOST_TOOLS)
    tools: dict[str, Described] = {}
    for one in found[:MOST_TOOLS]:
        try:
            tool = described(name, one)
        except BadPayload as error:
            called = clean(one.name, 80)
            why = scrub(clean(str(error), _SHOWN))
            say(f"no {called}", "mcp.tool_left_out", tool=called, why=why)
        else:
            tools.setdefault(tool.called, tool)
    return list(tools.values())


class Pinned:
    """What a server said of its tools when it was first asked."""

    def __init__(self) -> None:
        self._digests: dict[str, str] | None = None

    def kept(self, found: list[Described], say: Say) -> list[Described]:
        """Returns the tools that are what they were; those that are not are left out.

        Args:
            found: The tools as the server describes them now.
            say: Logs what is left out.
        """
        if self._digests is None:
            self._digests = {one.name: one.digest for one in found}
        kept = []
        for one in found:
            before = self._digests.get(one.name)
            if before == one.digest:
                kept.append(one)
            else:
                why = "new" if before is None else "changed"
                say(f"{why} {one.digest}", "mcp.tool_left_out", tool=one.called, why=why)
        return kept
