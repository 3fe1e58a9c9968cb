"""An agent as a tool for those who have no task: its topic's task is submitted and watched."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.tools.agents import WHOLE, is_object, parameters_of
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.submitted import outcome
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.messages import TopicSchema
from pepperpy_schemas.tokens import check_topic, new_id

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.tasks.watch import Update

_CANCEL: Final = 4.0
"""Seconds that the end of a task is waited for; that it was asked to end is stored."""
_BETWEEN: Final = 0.1
"""Seconds between two pieces of live output that are told."""
_TOLD: Final = 200
"""Characters of live output that are told: the last ones."""


def topic_tool(topic: str, *, timeout: float) -> Tool:
    """Returns the tool that asks whoever takes a topic, and returns what the task returned.

    A call that is canceled, or whose time is over, cancels the task with its children.

    Args:
        topic: The topic; the schema that it was announced with is looked up.
        timeout: Seconds that the task may take.

    Raises:
        BadName: The topic is none.
    """
    check_topic(topic)

    async def find(client: "Client") -> Sequence[Tool]:
        schema = await client.schemas.latest(topic)
        if schema is None:
            raise NotFound(f"no worker has ever announced topic {topic}")
        return [_asking(client, schema, timeout)]

    async def not_found(arguments: dict[str, Any], use: ToolUse) -> Any:  # noqa: ARG001 - as every tool
        raise NotFound(f"no worker has announced topic {topic}")

    return Tool(name=topic, description="", parameters=_ANY, call=not_found, find=find)


def _asking(client: "Client", schema: TopicSchema, timeout: float) -> Tool:
    whole = is_object(schema.input)

    async def ask(arguments: dict[str, Any], use: ToolUse) -> Any:
        body = arguments if whole else arguments.get(WHOLE)
        task_id = new_id()
        mine = asyncio.current_task()
        assert mine is not None, "calls run in tasks"
        _asking_now.add(mine)
        mine.add_done_callback(_asking_now.discard)
        try:
            await client.submit(schema.topic, body, id=task_id, timeout=timeout)
            telling = _Telling(use)
            async for update in client.watch(task_id):
                if update.ended is not None:
                    return outcome(update.ended)
                await telling.tell(update)
        except asyncio.CancelledError:
            await _cancel(client, task_id)
            raise
        raise AssertionError("a watched task ends")

    return Tool(
        name=schema.topic,
        description=schema.doc or f"Asks the agent that takes {schema.topic}.",
        parameters=parameters_of(schema),
        call=ask,
        needs=lambda _: (f"agent:{schema.topic}",),
        timeout=timeout,
    )


async def settled() -> None:
    """Returns when the calls that were canceled have canceled their tasks."""
    if _asking_now:
        await asyncio.wait(_asking_now, timeout=_CANCEL + 1)


async def _cancel(client: "Client", task_id: str) -> None:
    # A task whose submission was canceled may be there, or not; one may have ended meanwhile.
    with contextlib.suppress(PepperError, TimeoutError):
        await client.cancel(task_id, reason="its MCP call was canceled", wait=_CANCEL)


class _Telling:
    """What a caller is told of a task while it runs: how far it is, and what it says."""

    def __init__(self, use: ToolUse) -> None:
        self._tell = use.tell
        self._fraction = 0.0
        self._text = ""
        self._told = 0.0

    async def tell(self, update: "Update") -> None:
        if self._tell is None:
            return
        if update.token is not None:
            self._text = (self._text + update.token.t)[-_TOLD:]
            if time.monotonic() - self._told >= _BETWEEN:
                self._told = time.monotonic()
                await self._tell(self._fraction, self._text)
        elif update.event is not None:
            data = update.event.data or {}
            self._fraction = max(self._fraction, float(data.get("fraction") or 0.0))
            said = data.get("message") or data.get("text") or ""
            await self._tell(self._fraction, f"{update.event.name} {said}".strip())


_asking_now: "set[asyncio.Task[Any]]" = set()

_ANY: Final[dict[str, Any]] = {"type": "object"}
