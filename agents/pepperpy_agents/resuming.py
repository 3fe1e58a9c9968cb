"""Resuming: from a wake of a suspended task to the attempt that goes on with it, if any does."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.attempt import Attempt
from pepperpy_agents.durable.waiting import keep_ends
from pepperpy_agents.parking import leave_waiting
from pepperpy_agents.pauses import AHEAD, pause
from pepperpy_agents.task import Task, read_task
from pepperpy_bus.client import Client
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.keys import Keys
from pepperpy_bus.tasks.waits import RENEWAL, Waits
from pepperpy_bus.tasks.wakes import current_wait
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import InputEntry, Resume, WaitEntry

log = get_log("pepperpy.worker")

Remind = Callable[[Attempt, WaitEntry], Awaitable[None]]
_LONG: Final = timedelta(days=1)


class Resuming:
    """Reads wakes, for one instance of an agent.

    Args:
        client: The client.
        waits: Where the outcomes of waits are looked up.
        clock: The server's clock.
        instance: The instance, written into journals.
        remind: Tells people once more that a task waits for them.
        keys: The keys that tasks hold.
    """

    def __init__(
        self,
        client: Client,
        waits: Waits,
        clock: ServerClock,
        instance: str,
        remind: Remind,
        keys: Keys,
    ) -> None:
        self._client = client
        self._keys = keys
        self._waits = waits
        self._questions = OpenQuestions(client.connection, client.prefix)
        self._clock = clock
        self._instance = instance
        self._remind = remind
        self._ends_last = client.settings.bus.result_ttl

    async def attempt(self, spec: TaskSpec, delivery: Delivery) -> Attempt | None:
        """Returns the attempt that goes on with a task; None when the wake was settled here."""
        client = self._client
        task_id = RESUME.parse(client.prefix, delivery.subject)["id"]
        if await client.results.get(task_id) is not None:
            await delivery.ack()
            return None
        journal = Journal(client.connection, client.prefix, task_id, self._instance)
        await journal.read()
        given = journal.history.input
        if given is None and not await _came_too_early(journal, delivery):
            log.warning("resume.unknown_task", task_id=task_id, subject=delivery.subject)
            await self._drop(task_id, spec.topic, delivery)
        if given is None:
            return None
        task = resumed_task(given, task_id, delivery, client.prefix)
        attempt = Attempt(task, spec, journal=journal, began=time.monotonic(), woken=True)
        wait = journal.history.open_wait
        if journal.history.is_spent(task.carrier, original=False):
            await self._wait_on(attempt, wait, delivery)
        elif wait is None:
            if await self._may_run(task, journal.history):
                return attempt
            if not await _came_too_early(journal, delivery):
                log.debug("resume.stale", task_id=task_id)
                await self._drop(task_id, spec.topic, delivery)
        else:
            attempt.over = await self._waits.outcome(task_id, spec.topic, wait, journal.history)
            left = task.seconds_left(self._clock)
            if attempt.over is not None or (left is not None and left <= 0):
                await self._waits.disarm(task_id, wait)
                return attempt
            await self._still_waits(attempt, journal, wait, delivery)
        return None

    async def _may_run(self, task: Task, history: History) -> bool:
        """Whether a task that waits for nothing is run by its wake."""
        claim = history.last_claim
        if claim is not None and claim.carrier == task.carrier:
            return True  # the attempt that it woke has failed, or its worker died
        if history.is_adrift:
            return True  # its message is delivered no more
        return bool(task.key) and await self._keys.may_start(task.topic, task.key, task.id)

    async def _drop(self, task_id: str, topic: str, delivery: Delivery) -> None:
        """Acknowledges a wake in vain; it may have been in the way of one that was not.

        The task may have begun to wait since it was looked at, and its wake been refused because
        this one was in hand.
        """
        await delivery.ack()
        wait = await current_wait(self._client.connection, self._client.prefix, task_id)
        if wait is not None:
            await self._waits.look(task_id, topic, wait)

    async def _still_waits(
        self, attempt: Attempt, journal: Journal, wait: WaitEntry, delivery: Delivery
    ) -> None:
        resume = _read(delivery)
        if resume is not None and resume.reason == "reminder" and resume.n == wait.n:
            await self._remind(attempt, wait)
        age = self._clock.now() - wait.ts
        if wait.what == "children" and age.total_seconds() > self._ends_last / 4:
            await keep_ends(self._client, self._waits, journal, wait)
        if resume is not None and resume.reason == "check" and age > RENEWAL - _LONG:
            await journal.renew()
        await self._wait_on(attempt, wait, delivery)

    async def _wait_on(self, attempt: Attempt, wait: WaitEntry | None, delivery: Delivery) -> None:
        task = attempt.task
        if wait is None:
            await self._drop(task.id, task.topic, delivery)
            return
        await self._questions.open(task.id, task.topic, wait)
        await self._waits.arm(task.id, task.topic, wait, task.deadline)
        await leave_waiting(self._waits, delivery, task.id, task.topic, wait)


async def _came_too_early(journal: Journal, delivery: Delivery) -> bool:
    """Gives a wake back that came before what it tells of had reached the replica that was read."""
    if not await journal.is_behind():
        return False
    await delivery.nak(delay=pause(delivery.deliveries, AHEAD))
    return True


def resumed_task(given: InputEntry, task_id: str, delivery: Delivery, prefix: str) -> Task:
    """Returns a task as it was first delivered, to be settled by the delivery that woke it."""
    subject = TASK.of(prefix, topic=given.topic, id=task_id)
    message = Message(subject, bytes(given.input), given.headers, delivery.message.reply)
    stored = int(given.stored.timestamp() * 1e9)
    as_first = msgspec.structs.replace(delivery, message=message, time_ns=stored)
    task = read_task(as_first, given.topic)[0]
    return msgspec.structs.replace(task, key=given.key, order=given.seq) if given.key else task


def _read(delivery: Delivery) -> Resume | None:
    """What a wake says of itself; an answer wakes as it is."""
    with contextlib.suppress(BadPayload):
        return RESUME.decode(delivery.body)
    return None
