"""The tools of an agent of Agent Framework, guarded and told of by its own middleware."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent_framework import FunctionInvocationContext, FunctionMiddleware

from pepperpy_agents.adapters.calling import Calls
from pepperpy_schemas.errors import NotGranted


class Guarding(FunctionMiddleware):
    """Lets the calls of one task through, or not.

    Args:
        calls: The calls of the task.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def process(
        self, context: FunctionInvocationContext, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        """Calls a tool when it may be called; else the model is told why not."""
        given: Any = context.arguments
        arguments = given if isinstance(given, Mapping) else given.model_dump()
        try:
            async with self._calls.call(context.function.name, arguments, None):
                await call_next()
        except NotGranted as error:
            context.result = f"error: {error}"
