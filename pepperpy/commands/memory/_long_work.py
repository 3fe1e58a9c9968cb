"""Long work as a task: submitted, followed to its end, and ended when its caller leaves."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from pepperpy.commands.memory._progress import Bar
    from pepperpy_bus.client import Client
    from pepperpy_bus.tasks.results import Ended

T = TypeVar("T")

STOPPED = "stopped; what is done stays: the same command goes on there"
_WORKER = "pepperpy worker pepperpy_agents.memory.archivist:agent"
_LEAVING = 10.0
"""Seconds that a task gets to end when its caller leaves."""


async def submit(
    client: "Client", topic: str, body: Any, *, submitting: Callable[[], None] | None = None
) -> str:
    """Submits a task and returns its id; says so when nobody has ever worked on its topic.

    Args:
        client: The client.
        topic: The topic.
        body: What to do.
        submitting: Is called just before: from then on the task may be there, whatever happens.
    """
    from pepperpy.commands._failure import say

    if await client.schemas.latest(topic) is None:
        say("nobody does the memory's long work yet; the task waits for one")
        say(f"  hint: {_WORKER}, or --here")
    if submitting is not None:
        submitting()
    return await client.submit(topic, body)


async def follow(
    client: "Client",
    task_id: str,
    bar: "Bar",
    kind: type[T],
    *,
    canceled: Callable[[], None] | None = None,
) -> T:
    """Shows how far a task is until it ends, and returns what it returned.

    Who interrupts it ends the task, too: what is done stays, and the same command goes on.

    Args:
        client: The client.
        task_id: The task.
        bar: Shows how far it is.
        kind: What it returns.
        canceled: Is called when it was interrupted and is known to have ended.

    Raises:
        typer.Exit: It failed (code 1).
    """
    from pepperpy.commands._ends import say_failure

    end: Ended | None = None
    try:
        async for update in client.watch(task_id):
            if update.event is not None and update.event.name == "task.progress":
                bar.show(float(update.event.data["fraction"]), update.event.data["message"])
            end = update.ended or end
    except asyncio.CancelledError:
        bar.clear()
        if await _leave(client, task_id) and canceled is not None:
            canceled()
        raise
    finally:
        bar.clear()
    assert end is not None, "watching ends with the task"
    if not end.result.ok:
        say_failure(end)
        raise typer.Exit(1)
    return msgspec.json.decode(end.result.data, type=kind)


async def _leave(client: "Client", task_id: str) -> bool:
    """Cancels a task; says whether it is known to have ended."""
    from pepperpy.commands._failure import say
    from pepperpy_schemas.errors import PepperError

    try:
        done = await client.cancel(task_id, reason="interrupted", wait=_LEAVING)
    except PepperError as error:
        say(f"task {task_id} goes on: {error.message}")
        return False
    if done:
        say(STOPPED)
    else:
        say(f"task {task_id} will be canceled; the same command goes on where it was")
    return done
