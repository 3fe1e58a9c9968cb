"""Canceling: the request that is stored, and what it makes of a task's result."""

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_schemas.catalog import CANCEL
from pepperpy_schemas.errors import Canceled, ErrorInfo
from pepperpy_schemas.messages import CancelRequest
from pepperpy_schemas.tokens import new_id


async def request_cancel(
    connection: Connection, prefix: str, task_id: str, *, reason: str = "", by: str = ""
) -> None:
    """Says that a task shall end; whoever runs it hears it, and any worker carries it out."""
    body = CANCEL.encode(CancelRequest(reason, by))
    await store(connection, CANCEL.of(prefix, id=task_id), body, msg_id=new_id())


def canceled(request: CancelRequest) -> ErrorInfo:
    """Returns the error of a task that was canceled."""
    who = f" by {request.by}" if request.by else ""
    why = f": {request.reason}" if request.reason else ""
    return Canceled(f"canceled{who}{why}").info()
