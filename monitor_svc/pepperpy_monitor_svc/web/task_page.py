"""One task: its row, its story from what the broker keeps, its family, and its trace."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.tasks.explanation import Explanation, ToldChild
from pepperpy_bus.tracing.reading import read_trace
from pepperpy_bus.tracing.spans import Trace
from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_schemas.errors import NotFound, PepperError
from pepperpy_schemas.monitor import TaskQuery, TaskRow
from pepperpy_schemas.tokens import check_token

if TYPE_CHECKING:
    from pepperpy_monitor_svc.monitor import Monitor

log = get_log("pepperpy.web")

_PATIENCE: Final = 5.0
"""Seconds in which a whole family is read; then the task alone."""
_CHILDREN: Final = 200
_RELATIVES: Final = 100
_MOST: Final = 500
"""Nodes of the graph of a family; of more it says how many there are."""


class FamilyNode(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task in the graph of a family.

    Attributes:
        id: The task.
        topic: Its topic.
        state: Its state; empty when nothing is known of it any more.
        parent: The task that submitted it.
    """

    id: str
    topic: str
    state: str = ""
    parent: str = ""


async def task(request: web.Request) -> web.StreamResponse:
    """All that is known of a task."""
    monitor = request.app[PARTS].monitor
    task_id = check_token(request.match_info["id"], what="task id")
    row = monitor.fleet.task(task_id)
    told, trace = await asyncio.gather(
        _told(monitor.client, task_id, row), _trace(monitor.client, task_id, row)
    )
    if row is None and told is None:
        raise NotFound(f"no task {task_id}", hint="it never was, or everything of it has expired")
    relatives = [] if row is None else _relatives(monitor, row)
    return json_answer(
        request,
        {
            "task": row,
            "explanation": None if told is None else _without_children(told),
            "timeline": [] if told is None else _timeline(told),
            "children": _family(told),
            "relatives": relatives,
            "trace": trace,
            "question": await monitor.client.question(task_id),
        },
    )


def _relatives(monitor: "Monitor", row: TaskRow) -> list[TaskRow]:
    return monitor.fleet.tasks(TaskQuery(root=row.root or row.id, limit=_RELATIVES)).items


async def _told(client: Client, task_id: str, row: TaskRow | None) -> Explanation | None:
    """The story, with those of the children unless they are too many to read while people wait."""
    try:
        if row is None or row.children <= _CHILDREN:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    return await client.explain(task_id, children=True)
        return await client.explain(task_id)
    except NotFound:
        return None


async def _trace(client: Client, task_id: str, row: TaskRow | None) -> Trace | None:
    """The trace, unless it is too long to be read while people wait."""
    if row is not None and row.children > _CHILDREN:
        return None
    try:
        async with asyncio.timeout(_PATIENCE):
            return await read_trace(client, task_id)
    except (PepperError, TimeoutError) as error:
        log.debug("web.no_trace", task_id=task_id, error=str(error))
        return None


def _timeline(told: Explanation) -> list[dict[str, Any]]:
    """What happened when, in order; what it is told of stands in the explanation."""
    return [{"at": one.at, "what": one.what, "of": _plain(one.of)} for one in told.timeline()]


def _plain(of: Any) -> Any:
    if isinstance(of, Explanation):
        return {"state": of.state, "source": of.source}
    return msgspec.structs.replace(of, explanation=None) if isinstance(of, ToldChild) else of


def _without_children(told: Explanation) -> Explanation:
    """The story itself: those of its children are asked for by their own ids."""
    children = [msgspec.structs.replace(one, explanation=None) for one in told.children]
    return msgspec.structs.replace(told, children=children)


def _family(told: Explanation | None) -> dict[str, Any]:
    """The tasks below a task, breadth first."""
    if told is None:
        return {"nodes": [], "total": 0}
    nodes = [FamilyNode(id=told.id, topic=told.topic, state=str(told.state), parent=told.parent)]
    waiting = [told]
    for one in waiting:
        for child in one.children:
            nodes.append(
                FamilyNode(
                    id=child.id, topic=child.topic, state=str(child.state or ""), parent=one.id
                )
            )
            if child.explanation is not None:
                waiting.append(child.explanation)
    return {"nodes": nodes[:_MOST], "total": len(nodes)}
