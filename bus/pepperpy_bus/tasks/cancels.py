"""Canceling: the request that is stored, and what it makes of a task's result."""

import asyncio
from typing import Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.tasks.results import Ended, Results
from pepperpy_bus.tasks.whereabouts import find_task
from pepperpy_schemas.catalog.tasks import CANCEL
from pepperpy_schemas.errors import Canceled, Conflict, ErrorInfo, NotFound
from pepperpy_schemas.messages import CancelRequest
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.tokens import check_token, new_id

_AGAIN: Final = 0.2
"""Seconds after which an unknown task is looked for once more: a replica may be a little behind."""


async def request_cancel(
    connection: Connection, prefix: str, task_id: str, *, reason: str = "", by: str = ""
) -> None:
    """Says that a task shall end; whoever runs it hears it, and any worker carries it out."""
    body = CANCEL.encode(CancelRequest(reason, by))
    await store(connection, CANCEL.of(prefix, id=task_id), body, msg_id=new_id())


async def cancel_child(
    connection: Connection, prefix: str, parent: str, child_id: str, request: CancelRequest
) -> None:
    """Ends a child because its parent has been canceled."""
    why = f"its parent {parent} was canceled" + (f": {request.reason}" if request.reason else "")
    await request_cancel(connection, prefix, child_id, reason=why, by=request.by)


def canceled(request: CancelRequest) -> ErrorInfo:
    """Returns the error of a task that was canceled."""
    who = f" by {request.by}" if request.by else ""
    why = f": {request.reason}" if request.reason else ""
    return Canceled(f"canceled{who}{why}").info()


class Cancels:
    """Ends tasks on behalf of a client.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: The tasks' ends.
    """

    def __init__(self, connection: Connection, prefix: str, results: Results) -> None:
        self._connection = connection
        self._prefix = prefix
        self._results = results

    async def cancel(self, task_id: str, *, reason: str, by: str, wait: float) -> bool:
        """Ends a task with its children; see `Client.cancel`."""
        check_token(task_id, what="task id")
        ended = await self._results.get(task_id)
        if ended is None and not await self._is_known(task_id):
            await asyncio.sleep(_AGAIN)
            ended = await self._results.get(task_id)
            if ended is None and not await self._is_known(task_id):
                raise NotFound(
                    f"no task {task_id}",
                    hint="it never was, or its result has expired; look at the id",
                )
        if ended is not None:
            return _is_canceled(ended, "had ended before")
        async with self._results.expect(task_id, submitted=True) as waiter:
            await request_cancel(self._connection, self._prefix, task_id, reason=reason, by=by)
            try:
                return _is_canceled(await waiter.wait(wait), "ended meanwhile")
            except TimeoutError:
                return False

    async def _is_known(self, task_id: str) -> bool:
        found = await find_task(self._connection, self._prefix, task_id, read_directly)
        if found is not None and found.schedule is not None and found.schedule.recurring:
            raise NotFound(
                f"{task_id} is no task but a schedule, which submits tasks again and again",
                hint=f"remove it: pepperpy schedules rm {task_id}",
            )
        return found is not None


def _is_canceled(ended: Ended, when: str) -> bool:
    state = ended.result.state
    if state is not TaskState.CANCELED:
        raise Conflict(
            f"task {ended.id} {when}: it is {state}",
            hint=f"see how it ended: pepperpy result {ended.id}",
            context={"task_id": ended.id, "state": str(state)},
        )
    return True
