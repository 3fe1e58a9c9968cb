"""From what a model wrote for a call to the arguments that its tool takes."""

from collections.abc import Iterable
from typing import Any, Final

from pepperpy_agents.tools.tool import Tool
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadArguments, BadPayload
from pepperpy_schemas.schema_check import TooMuchWork, schema_check

_TOLD: Final = 8
"""Problems that the model is told at once."""


def read_arguments(
    tool: Tool, text: str, *, most: int, deepest: int, checked: bool = False
) -> dict[str, Any]:
    """Returns the checked arguments of a call.

    Args:
        tool: The tool.
        text: What the model wrote: JSON of an object, or nothing for none.
        most: Bytes that it may have; more are not even read.
        deepest: Levels of lists and objects that it may have.
        checked: Whether its tool was found to take them before, whatever it takes now.

    Raises:
        BadArguments: It is too long, too deep, no object in JSON, or not what the tool takes.
    """
    body = text.encode(errors="replace")
    if len(body) > most:
        raise refused(tool.alias, [f"$: {len(body)} bytes are more than the {most} that are read"])
    try:
        given = decode(body.strip() or b"{}", dict[str, Any])
    except BadPayload as error:
        fact = str(error).replace("the body is not JSON", "$: they are no JSON")
        raise refused(tool.alias, [fact]) from None
    if _deeper(given, deepest):
        raise refused(tool.alias, [f"$: it is nested deeper than {deepest} levels"])
    if checked:
        return given
    if tool.check is not None:
        return tool.check(given)
    _check(tool, given, len(body))
    return given


def refused(alias: str, problems: Iterable[str]) -> BadArguments:
    """Returns the error that tells a model what is wrong with its call.

    Args:
        alias: The tool, as the model calls it.
        problems: What is wrong, each with the path of the part.
    """
    told = list(problems)
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return BadArguments(
        f"{alias} does not take these arguments: {'; '.join(told[:_TOLD])}{more}",
        context={"problems": told[:_TOLD]},
    )


def _check(tool: Tool, given: dict[str, Any], size: int) -> None:
    check = schema_check(encode(tool.parameters), f"the parameters of {tool.name}")
    try:
        problems = check.problems(given, size)
    except TooMuchWork:
        problems = ["$: they are too large, or too deep, to be checked"]
    if problems:
        raise refused(tool.alias, problems)


def _deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        parts: Iterable[Any] = value.values()
    elif isinstance(value, list):
        parts = value
    else:
        return False
    return levels == 0 or any(_deeper(one, levels - 1) for one in parts)
