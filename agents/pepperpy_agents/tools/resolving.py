"""From what an agent's author writes to tools, and to what is granted by writing it.

| written | the tool | what is granted |
| --- | --- | --- |
| a `Tool`, or a function | itself | nothing |
| a tool of LangChain or AutoGen | itself, as one of ours | nothing |
| ``calculator`` | a built-in one | nothing |
| ``files.read:./papers`` | a built-in one | that scope |
| ``files:./papers`` | all built-in ones of the area | that scope |
| ``memory.search`` | a built-in one | that scope: the memory service guards its namespaces itself |
| ``agent:triage`` | whoever takes the topic | that scope |
| ``service:weather`` | a tool on the bus | that scope |
| ``mcp:github`` | all tools of an MCP server | that scope |
| ``mcp:github.search`` | one of them | that scope |
| ``shop.tools:orders``, ``tools.py:orders`` | a tool, or a function, of a module | nothing |
"""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from pepperpy_agents.tools.declaring import tool
from pepperpy_agents.tools.foreign import ForeignTool, foreign_tool
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import Tool
from pepperpy_schemas.errors import BadConfig

Spec = str | Tool | ForeignTool | Callable[..., Any]

_GUARDED: Final = ("memory",)
"""Areas whose service decides itself what who may do."""


def resolve(spec: Spec, *, base: Path | None = None) -> tuple[tuple[Tool, ...], Grants]:
    """Returns the tools that somebody wrote down, and what is granted with that.

    Args:
        spec: The tool, or a function, or a name.
        base: The folder that relative paths begin at; the current one by default.

    Raises:
        BadConfig: There is no such tool; the message names those that there are.
    """
    if isinstance(spec, Tool):
        return (spec,), Grants()
    if not isinstance(spec, str):
        return (_from_object(spec),), Grants()
    head, colon, resource = spec.partition(":")
    if colon and head in _ELSEWHERE:
        return _ELSEWHERE[head](resource)
    names = _built_in(head)
    if names:
        granted = bool(colon) or head.partition(".")[0] in _GUARDED
        return tuple(map(built_in, names)), Grants.of([spec] if granted else [], base=base)
    if colon:
        return (_from_module(spec, base),), Grants()
    raise _unknown(spec)


def resolve_all(
    specs: Iterable[Spec], *, base: Path | None = None
) -> tuple[tuple[Tool, ...], Grants]:
    """Returns the tools of several specs, each once, and all that is granted; see `resolve`."""
    tools: list[Tool] = []
    granted = Grants()
    for spec in specs:
        found, more = resolve(spec, base=base)
        granted += more
        tools += [one for one in found if one not in tools]
    return tuple(tools), granted


def built_in(name: str) -> Tool:
    """Returns a built-in tool; its module is imported now."""
    from pepperpy_agents.tools.builtin import BUILTIN

    module, _, attribute = BUILTIN[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, Tool), f"{BUILTIN[name]} is a tool"
    return found


def built_in_names() -> list[str]:
    """Returns the names of the built-in tools."""
    from pepperpy_agents.tools.builtin import BUILTIN

    return sorted(BUILTIN)


def _agent(topic: str) -> tuple[tuple[Tool, ...], Grants]:
    from pepperpy_agents.tools.agents import agent_tool

    return (agent_tool(topic),), Grants.of([f"agent:{topic}"])


def _service(name: str) -> tuple[tuple[Tool, ...], Grants]:
    from pepperpy_agents.tools.services import service_tool

    return (service_tool(name),), Grants((Scope(("service",), name.replace(".", "_")),))


def _mcp(name: str) -> tuple[tuple[Tool, ...], Grants]:
    # By its name: that package knows this one.
    found = importlib.import_module("pepperpy_agents.mcp.tools").mcp_tool(name)
    return (found,), Grants.of(found.needs({}))


_ELSEWHERE: Final = {"agent": _agent, "service": _service, "mcp": _mcp}
"""What is done by others, who are found when it is needed."""


def _built_in(head: str) -> list[str]:
    """The built-in tools of a name, or of an area."""
    names = built_in_names()
    return [head] if head in names else [one for one in names if one.startswith(f"{head}.")]


def _from_object(given: Any) -> Tool:
    found = foreign_tool(given)
    if found is not None:
        return found
    if not callable(given):
        raise BadConfig(f"{given!r:.80} is no tool", hint="give a function, a tool, or a name")
    return tool(given)


def _from_module(spec: str, base: Path | None) -> Tool:
    from pepperpy_agents.importing import import_place

    place, _, attribute = spec.rpartition(":")
    if base is not None and place.endswith(".py"):
        place = str(base / place)
    if not attribute.isidentifier() or not (place.endswith(".py") or _is_module(place)):
        raise _unknown(spec)
    found = getattr(import_place(place), attribute, None)
    if isinstance(found, Tool):
        return found
    if callable(found):
        return _from_object(found)
    raise BadConfig(
        f"{place} has no tool named {attribute!r}",
        hint="define one: @tool above a typed function",
    )


def _is_module(place: str) -> bool:
    return all(part.isidentifier() for part in place.split("."))


def _unknown(spec: str) -> BadConfig:
    return BadConfig(
        f"there is no tool {spec!r:.80}",
        hint=f"built in are {', '.join(built_in_names())}; others are agent:TOPIC, service:NAME, "
        "mcp:SERVER and module:name",
    )
