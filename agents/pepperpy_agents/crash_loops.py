"""Crash loops: what the server gave up, because its workers died of it, gets an end all the same.

A task that kills its worker leaves no error behind. The server stops delivering it after so many
deliveries and says so in an advisory, which a stream keeps. Every worker shares in reading them:
the task gets a failed result and a dead letter, and leaves the queue. One whose deliveries left
traces, errors or stops of workers, is no crash loop, and goes on.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial

from pepperpy_agents.giving_up import with_last, withdraw_letter
from pepperpy_agents.going_on import go_on, is_crash_loop
from pepperpy_agents.pauses import UNANSWERED, pause
from pepperpy_agents.resuming import resumed_task
from pepperpy_agents.task import Task, read_task
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import advisory_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.streams.jetstream import delete_message
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import WorkPuller
from pepperpy_bus.streams.reading import Stored, message_at
from pepperpy_bus.tasks.deadletters import write_letter
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.keys import Keys
from pepperpy_bus.tasks.wakes import wake_parent
from pepperpy_schemas.catalog.server import ADVISORY
from pepperpy_schemas.catalog.tasks import RESUME
from pepperpy_schemas.errors import BadName, BadPayload, CrashLoop, PepperError, Unavailable
from pepperpy_schemas.headers import ATTEMPT, TOPIC
from pepperpy_schemas.messages import MaxDeliveries, Result
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import topic_of

log = get_log("pepperpy.worker")

SLOTS = 4
"""Advisories that one worker works on at once."""
GRACE = 5.0
"""Seconds that those in hand may take at the end."""


@contextlib.asynccontextmanager
async def ended_by_us(
    client: Client, emitter: Emitter, instance: str, keys: Keys
) -> AsyncIterator[None]:
    """Takes part in ending the crash loops of the deployment while its context is open.

    Args:
        client: The client.
        emitter: Where events go.
        instance: The worker's instance, for the journal.
        keys: The keys that tasks hold.
    """
    connection = client.connection
    stream, config = stream_name(client.prefix, "ADV"), advisory_consumer()
    ensure = partial(ensure_consumer, connection, stream, config)
    await ensure()
    in_hand = InHand()
    async with in_hand.pulsing():
        puller = WorkPuller(
            connection,
            stream,
            config["name"],
            slots=SLOTS,
            work=partial(_take, client, emitter, instance, keys),
            in_hand=in_hand,
            ensure=ensure,
        )
        async with puller:
            yield
        await in_hand.finish(GRACE)


async def _take(
    client: Client, emitter: Emitter, instance: str, keys: Keys, delivery: Delivery
) -> None:
    try:
        advisory = ADVISORY.decode(delivery.body)
        given_up = await message_at(client.connection, advisory.stream, advisory.stream_seq)
        if given_up is not None:
            task = await _end(client, emitter, instance, keys, advisory, given_up)
            if task is not None and task.key:
                await keys.advance(task.topic, task.key)
        await delivery.ack()
    except PepperError as error:
        # It comes again, by itself when the broker is away.
        log.warning("crash_loop.unsettled", error=str(error))
        if client.connection.connected:
            with contextlib.suppress(PepperError):
                await delivery.nak(delay=pause(delivery.deliveries, UNANSWERED))


async def _end(
    client: Client,
    emitter: Emitter,
    instance: str,
    keys: Keys,
    advisory: MaxDeliveries,
    given_up: Stored,
) -> Task | None:
    delivery = _last_delivery(client, advisory, given_up)
    woken = _is_wake(client.prefix, delivery.subject)
    found = await _task(client, instance, delivery, woken=woken)
    task = None
    if found is None:
        log.warning("crash_loop.unknown_task", subject=given_up.subject)
    else:
        task, journal = found
        ended = await client.results.get(task.id) is not None
        if ended or not await _goes_on(client, keys, task, journal, woken=woken):
            if not ended:
                await _file(client, emitter, instance, task, journal.history)
            await wake_parent(client.connection, client.prefix, task.id, task.delivery.headers)
    await delete_message(client.connection, advisory.stream, advisory.stream_seq)
    return task


async def _goes_on(
    client: Client, keys: Keys, task: Task, journal: Journal, *, woken: bool
) -> bool:
    if is_crash_loop(task, journal.history, woken=woken):
        return False
    try:
        await go_on(client, keys, task, journal, woken=woken)
    except BadPayload:
        return False
    log.warning("task.goes_on", task_id=task.id, topic=task.topic)
    return True


async def _file(
    client: Client, emitter: Emitter, instance: str, task: Task, history: History
) -> None:
    """The dead letter first: a failed result always has one."""
    delivery = task.delivery
    error = CrashLoop(
        f"task {task.id} was delivered {delivery.deliveries} times and never finished",
        context={"deliveries": delivery.deliveries},
    ).info()
    attempt = max(1, history.next_attempt(delivery.deliveries) - 1)
    letter = write_letter(
        task.id,
        task.topic,
        error,
        body=delivery.body,
        headers=delivery.headers,
        attempts=with_last(history.attempts(), attempt, error),
        deliveries=delivery.deliveries,
    )
    filed = await client.dead_letters.put(letter)
    headers = {TOPIC: task.topic, ATTEMPT: str(attempt)}
    result = Result(ok=False, error=error)
    first = await client.results.put(
        task.id, result, attempt=attempt, headers=headers, writer="crash-loop"
    )
    log.error("task.crash_loop", task_id=task.id, topic=task.topic, dead_letter=True)
    if first:
        await emitter.emit(
            "task",
            result.state.verb,
            scope=task.topic,
            id=task.id,
            correlation=task.root,
            causation=task.headers.parent,
            attempt=attempt,
            priority=task.headers.priority,
            data={"instance": instance, "code": error.code, "message": error.message},
            certain=True,
            event_id=f"{task.id}:crash_loop",
        )
    else:
        await withdraw_letter(client, task.id, filed)


def _last_delivery(client: Client, advisory: MaxDeliveries, given_up: Stored) -> Delivery:
    """What was given up, as its last delivery would have shown it."""
    message = Message(given_up.subject, given_up.body, given_up.headers)
    stored = datetime.fromisoformat(given_up.time[:26].rstrip("Z") + "+00:00")
    return Delivery(
        message,
        advisory.stream,
        advisory.consumer,
        advisory.deliveries,
        advisory.stream_seq,
        0,
        int(stored.timestamp() * 1e9),
        0,
        client.connection,
    )


def _is_wake(prefix: str, subject: str) -> bool:
    try:
        RESUME.parse(prefix, subject)
    except BadName:
        return False
    return True


async def _task(
    client: Client, instance: str, delivery: Delivery, *, woken: bool
) -> tuple[Task, Journal] | None:
    """The task with its journal; None when what was given up is the wake of none that is known."""
    prefix = client.prefix
    if not woken:
        topic = topic_of(delivery.subject.split(".")[2])
        task = read_task(delivery, topic)[0]
        return task, await _journal(client, instance, task.id)
    task_id = RESUME.parse(prefix, delivery.subject)["id"]
    journal = await _journal(client, instance, task_id)
    if journal.history.input is None:
        return None
    # Its wake says nothing of it, but its journal does.
    return resumed_task(journal.history.input, task_id, delivery, prefix), journal


async def _journal(client: Client, instance: str, task_id: str) -> Journal:
    journal = Journal(client.connection, client.prefix, task_id, instance)
    await journal.read()
    if await journal.is_behind():
        raise Unavailable(f"the journal of task {task_id} is not whole yet on this replica")
    return journal
