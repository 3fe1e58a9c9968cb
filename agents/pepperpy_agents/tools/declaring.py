"""`@tool`: a typed function as a tool."""

import inspect
import re
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, overload

from pepperpy_agents.tools.docstrings import described
from pepperpy_agents.tools.parameters import Parameters
from pepperpy_agents.tools.threads import in_thread
from pepperpy_agents.tools.tool import Arguments, Tool, ToolUse
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.errors import BadConfig, NotGranted, ToolFailed

Needs = Callable[[Arguments], Sequence[str]]

_PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    needs: str | Sequence[str] | Needs = (),
    timeout: Duration = "1m",
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    needs: str | Sequence[str] | Needs = (),
    timeout: Duration = "1m",
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Makes a typed function a tool.

    An ``async def`` runs in the event loop, a plain ``def`` in a thread. A parameter annotated with
    `ToolUse` or `Context` is given by the runner; models do not see it. What the function returns
    is what the model reads: a text, or what JSON can carry.

    Args:
        function: The function; its docstring says what it does, and its ``Args`` what they mean.
        name: The tool's name; the function's by default.
        description: What it does, for the model; what the docstring says by default.
        needs: Scopes that a call needs: texts in which ``{parameter}`` behind the colon stands for
            an argument, as in ``"files.read:{path}"``, or a function of the arguments.
        timeout: How long a call may take.

    Raises:
        BadConfig: The function cannot be a tool; the message says why.

    Example:
        ```python
        @tool(needs="orders.read:{customer}")
        async def orders(customer: str, limit: int = 5) -> list[str]:
            \"\"\"Lists a customer's orders, the newest first.

    Args:
                customer: The customer's number, such as c42.
                limit: How many.
            \"\"\"
        ```
    """

    def declare(function: Callable[..., Any]) -> Tool:
        called = name or function.__name__
        does, means = described(function)
        parameters = Parameters(function, called.replace(".", "_"), means)
        return Tool(
            name=called,
            description=does if description is None else description,
            parameters=parameters.schema,
            call=_caller(function, called, parameters),
            needs=needs if callable(needs) else _written(called, needs, parameters.names),
            timeout=parse_duration(timeout),
            check=parameters.check,
        )

    return declare if function is None else declare(function)


def _caller(function: Callable[..., Any], name: str, parameters: Parameters) -> Any:
    asynchronous = inspect.iscoroutinefunction(function)

    async def call(arguments: dict[str, Any], use: ToolUse) -> Any:
        given = {at: _given(name, kind, use) for at, kind in parameters.given.items()}
        if asynchronous:
            return await function(**arguments, **given)
        value = await in_thread(function, **arguments, **given)
        # A decorator may hide that a function is asynchronous.
        return await value if inspect.isawaitable(value) else value

    return call


def _given(name: str, kind: type, use: ToolUse) -> Any:
    if kind is ToolUse:
        return use
    if use.ctx is None:
        raise ToolFailed(f"{name} works for a task only, and is called by none")
    return use.ctx


def _written(name: str, needs: str | Sequence[str], taken: Sequence[str]) -> Needs:
    """The scopes that texts with places for arguments say."""
    texts = (needs,) if isinstance(needs, str) else tuple(needs)
    for text in texts:
        wrong = [one for one in _PLACE.findall(text) if one not in taken]
        if wrong or _PLACE.search(text.partition(":")[0]):
            fact = f"it has no parameter {wrong[0]}" if wrong else "arguments follow the colon"
            raise BadConfig(
                f"tool {name} needs {text!r:.120}: {fact}",
                hint='write it like "files.read:{path}"',
            )

    def needed(arguments: Arguments) -> Sequence[str]:
        return tuple(_PLACE.sub(lambda at: _word(name, at[1], arguments), one) for one in texts)

    return needed


def _word(name: str, parameter: str, arguments: Arguments) -> str:
    value = arguments[parameter]
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, PurePath):
        value = str(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise NotGranted(f"{name}: {parameter} names nothing that a scope could be for")
    return str(value)
