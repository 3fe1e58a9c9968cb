"""Canceling: what the workers of a deployment do when somebody wants a task to end.

The request is stored. Every worker hears it and stops the task if it runs there; one of them takes
it from the stream and writes the result, so that what nobody runs ends too: what is queued,
scheduled, or waits. The first result wins, whoever writes it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from pepperpy_agents.execution import Executor
from pepperpy_bus.bodies import fingerprint
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import cancel_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.jetstream import delete_message
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import WorkPuller
from pepperpy_bus.streams.reading import read_as_stored
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.cancels import cancel_child, canceled
from pepperpy_bus.tasks.keys import Keys
from pepperpy_bus.tasks.wakes import forget_task_wake, wake_parent
from pepperpy_bus.tasks.whereabouts import Whereabouts, find_task
from pepperpy_schemas.catalog.tasks import CANCEL
from pepperpy_schemas.errors import BadPayload, NotFound, PepperError
from pepperpy_schemas.headers import ATTEMPT, FINGERPRINT, ID, PARENT, PRIORITY, TOPIC
from pepperpy_schemas.messages import CancelRequest, Result
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.worker")

SLOTS: Final = 8
"""Requests that one worker carries out at once."""
GRACE: Final = 5.0
"""Seconds that those in hand may take at the end."""
_AGAIN: Final = 1.0


@contextlib.asynccontextmanager
async def carried_out(client: Client, emitter: Emitter, executor: Executor) -> AsyncIterator[None]:
    """Takes part in ending canceled tasks while its context is open.

    Args:
        client: The client.
        emitter: Where events go.
        executor: Stops what runs here.
    """
    connection, config = client.connection, cancel_consumer()
    stream = stream_name(client.prefix, "CANCELS")
    ensure = partial(ensure_consumer, connection, stream, config)
    await ensure()

    def hear(message: Message) -> None:
        executor.running.cancel(
            CANCEL.parse(client.prefix, message.subject)["id"], _read(message.body)
        )

    in_hand = InHand()
    canceling = Canceling(client, emitter, executor.keys)
    puller = WorkPuller(
        connection,
        stream,
        config["name"],
        slots=SLOTS,
        work=canceling.take,
        in_hand=in_hand,
        ensure=ensure,
    )
    async with (
        await connection.subscribe(CANCEL.pattern(client.prefix), hear),
        _caught_up(client, executor),
        in_hand.pulsing(),
    ):
        async with puller:
            yield
        await in_hand.finish(GRACE)


@contextlib.asynccontextmanager
async def _caught_up(client: Client, executor: Executor) -> AsyncIterator[None]:
    """After a break: what was canceled meanwhile was not heard, but has a result."""
    back = asyncio.Event()

    async def look() -> None:
        while True:
            await back.wait()
            back.clear()
            for task_id in executor.running.ids:
                try:
                    ended = await client.results.get(task_id)
                except PepperError as error:
                    log.debug("cancel.not_looked_up", task_id=task_id, error=str(error))
                    back.set()
                    await asyncio.sleep(_AGAIN)
                    break
                if ended is not None and ended.result.state is TaskState.CANCELED:
                    executor.running.cancel(task_id, CancelRequest())

    connection = client.connection
    looking = asyncio.create_task(look(), name="cancels-catch-up")
    connection.on_reconnect.append(back.set)
    try:
        yield
    finally:
        connection.on_reconnect.remove(back.set)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


class Canceling:
    """Writes the ends of canceled tasks, and takes away what would start them.

    Args:
        client: The client.
        emitter: Where events go.
        keys: The keys that tasks hold.
    """

    def __init__(self, client: Client, emitter: Emitter, keys: Keys) -> None:
        self._client = client
        self._emitter = emitter
        self._keys = keys
        self._questions = OpenQuestions(client.connection, client.prefix)

    async def take(self, delivery: Delivery) -> None:
        """Carries out one request; repeated after a crash, it does what is missing."""
        task_id = CANCEL.parse(self._client.prefix, delivery.subject)["id"]
        try:
            await self._end(task_id, _read(delivery.body))
            await delivery.ack()
        except PepperError as error:
            # Left in hand it comes again.
            log.warning("cancel.unsettled", task_id=task_id, error=str(error))

    async def _end(self, task_id: str, request: CancelRequest) -> None:
        client = self._client
        ended = await client.results.get(task_id)
        if ended is not None and ended.result.state is not TaskState.CANCELED:
            return
        task = await find_task(client.connection, client.prefix, task_id, read_as_stored)
        if task is None or (task.schedule is not None and task.schedule.recurring):
            if ended is None:
                log.info("cancel.unknown_task", task_id=task_id)
            return
        if await self._store(task, request):
            await self._tell(task, request)
        else:
            ended = await client.results.get(task_id)
            if ended is not None and ended.result.state is not TaskState.CANCELED:
                return
        for child in task.history.children:
            await cancel_child(client.connection, client.prefix, task_id, child.id, request)
        await wake_parent(client.connection, client.prefix, task_id, task.headers)
        await self._clear(task)

    async def _store(self, task: Whereabouts, request: CancelRequest) -> bool:
        attempt = task.history.last_attempt
        headers = {TOPIC: task.topic}
        if attempt:
            headers[ATTEMPT] = str(attempt)
        if ID.lower() in task.headers:
            headers[FINGERPRINT] = fingerprint(task.topic, task.body, task.headers)
        result = Result(ok=False, error=canceled(request))
        return await self._client.results.put(
            task.task_id, result, attempt=attempt, headers=headers, writer="cancel"
        )

    async def _tell(self, task: Whereabouts, request: CancelRequest) -> None:
        told: dict[str, Any] = {"code": "canceled", "message": canceled(request).message}
        log.info("task.canceled", task_id=task.task_id, topic=task.topic, error=told["message"])
        await self._emitter.emit(
            "task",
            TaskState.CANCELED.verb,
            scope=task.topic,
            id=task.task_id,
            correlation=task.root,
            causation=task.headers.get(PARENT.lower(), ""),
            attempt=task.history.last_attempt,
            priority=task.headers.get(PRIORITY.lower(), "normal"),
            data=told,
            certain=True,
            event_id=f"{task.task_id}:canceled",
        )

    async def _clear(self, task: Whereabouts) -> None:
        """Takes away what would start the task, until nothing of it is left."""
        client = self._client
        connection, prefix = client.connection, client.prefix
        wait = task.history.open_wait
        if wait is not None:
            await forget_task_wake(connection, prefix, task.task_id)
            await self._questions.close(task.task_id, task.topic, wait)
        found: Whereabouts | None = task
        while found is not None and (found.kept or found.schedule is not None):
            if found.schedule is not None:
                with contextlib.suppress(NotFound):
                    await client.schedules.remove(task.task_id)
            for one in found.kept:
                await delete_message(connection, one.stream, one.message.seq)
            found = await find_task(connection, prefix, task.task_id, read_as_stored)
        if task.key:
            await self._keys.advance(task.topic, task.key)


def _read(body: bytes) -> CancelRequest:
    """What a request says; one that was published by hand may say nothing."""
    try:
        return CANCEL.decode(body or b"{}")
    except BadPayload:
        return CancelRequest(reason=body.decode(errors="replace")[:200])
