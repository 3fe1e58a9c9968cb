"""What a handler knows of its task and can do besides returning."""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, Unpack

from pepperpy_agents.task import Task
from pepperpy_bus.client import Client, SubmitOptions
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import Log
from pepperpy_schemas.errors import BadName

T = TypeVar("T")


class Context:
    """The context of one attempt.

    Attributes:
        task_id: The task's id.
        topic: Its topic.
        attempt: The number of this attempt, from 1.
        deadline: When the task must have ended, or None.
        parent: Id of the task that submitted this one, or empty.
        root: Id of the first task of the family; the correlation of its events.
        headers: The headers it came with, names in lower case.
        log: A log that carries the task's id and topic.
    """

    def __init__(
        self, task: Task, attempt: int, client: Client, emitter: Emitter, log: Log
    ) -> None:
        self.task_id = task.id
        self.topic = task.topic
        self.attempt = attempt
        self.parent = task.headers.parent
        self.root = task.root
        self.headers: Mapping[str, str] = task.delivery.headers
        self.log = log
        self._task = task
        self._client = client
        self._emitter = emitter

    @property
    def deadline(self) -> datetime | None:
        """When the task must have ended, by the server's clock; None without a deadline."""
        nanoseconds = self._task.deadline_ns
        return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)

    async def progress(self, fraction: float, message: str = "", **data: Any) -> None:
        """Tells how far the task is.

        Args:
            fraction: From 0 to 1.
            message: A line for people.
            **data: More values for the event.
        """
        share = min(1.0, max(0.0, fraction))
        await self._tell("task", "progress", {"fraction": share, "message": message, **data})

    async def emit(self, name: str, **data: Any) -> None:
        """Tells of something that happened, as an event of this task.

        Args:
            name: Entity and verb: ``invoice.found``.
            **data: The event's values.

        Raises:
            BadName: The name is not two tokens.
        """
        entity, dot, verb = name.partition(".")
        if not dot or not verb:
            raise BadName(
                f"event name {name!r:.80} is not entity.verb", hint="for example invoice.found"
            )
        await self._tell(entity, verb, data)

    async def submit(self, topic: str, data: Any = None, **options: Unpack[SubmitOptions]) -> str:
        """Publishes a task on behalf of this one; returns its id. See `Client.submit`."""
        options.setdefault("parent", self.task_id)
        options.setdefault("root", self.root)
        return await self._client.submit(topic, data, **options)

    async def _tell(self, entity: str, verb: str, data: Mapping[str, Any]) -> None:
        await self._emitter.emit(
            entity,
            verb,
            scope=self.topic,
            id=self.task_id,
            correlation=self.root,
            causation=self.task_id,
            attempt=self.attempt,
            priority=self._task.headers.priority,
            data=data,
        )


class BlockingContext:
    """The same for a handler in a thread: each call waits until it is done."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop
        self.task_id = context.task_id
        self.topic = context.topic
        self.attempt = context.attempt
        self.deadline = context.deadline
        self.parent = context.parent
        self.root = context.root
        self.headers = context.headers
        self.log = context.log

    def progress(self, fraction: float, message: str = "", **data: Any) -> None:
        """Tells how far the task is; see `Context.progress`."""
        self._wait(self._context.progress(fraction, message, **data))

    def emit(self, name: str, **data: Any) -> None:
        """Tells of something that happened; see `Context.emit`."""
        self._wait(self._context.emit(name, **data))

    def submit(self, topic: str, data: Any = None, **options: Unpack[SubmitOptions]) -> str:
        """Publishes a task on behalf of this one; see `Context.submit`."""
        return self._wait(self._context.submit(topic, data, **options))

    def _wait(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()
