"""Tasks that give their slot up and are not done: they wait, or rest until they are repeated.

A keyed task keeps its key meanwhile: the next one of the key must not begin before it has ended.
"""

from datetime import timedelta
from typing import Final

from pepperpy_agents.attempt import Attempt
from pepperpy_agents.durable.replay import input_entry
from pepperpy_agents.task import Task
from pepperpy_agents.telling import Teller
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.keys import Keys, too_long
from pepperpy_bus.tasks.waits import Waits
from pepperpy_schemas.errors import PepperError, Unavailable, Unreachable
from pepperpy_schemas.messages import WaitEntry

log = get_log("pepperpy.worker")

_LOOKS: Final = 3


class Parking:
    """Puts tasks aside, for one instance of an agent.

    Args:
        waits: Where wakes are set.
        questions: The questions that people are asked.
        keys: The keys that tasks hold.
        teller: Tells of it.
        clock: The server's clock.
    """

    def __init__(
        self,
        waits: Waits,
        questions: OpenQuestions,
        keys: Keys,
        teller: Teller,
        clock: ServerClock,
    ) -> None:
        self._waits = waits
        self._questions = questions
        self._keys = keys
        self._teller = teller
        self._clock = clock

    async def park(self, attempt: Attempt, wait: WaitEntry | None) -> None:
        """Frees the slot of a task that waits; the order lets no wake get lost."""
        task = attempt.task
        if task.key:
            await self._keys.hold(task.topic, task.key, task.id)
        if wait is None:
            await task.delivery.ack()
            await self.free_key(task)
            return
        await self._questions.open(task.id, task.topic, wait)
        await self._teller.wait(attempt, wait)
        await self._waits.arm(task.id, task.topic, wait, task.deadline)
        await leave_waiting(self._waits, task.delivery, task.id, task.topic, wait)

    async def rest(self, attempt: Attempt, wait: float) -> None:
        """Gives a task back until its repeat; a long rest does not hold its shard up."""
        task, journal = attempt.task, attempt.journal
        if task.in_shard and journal is not None:
            now = self._clock.now()
            if too_long(journal.history.first_failure, wait, now):
                if journal.history.input is None:
                    await journal.append(input_entry(task))
                due = now + timedelta(seconds=wait)
                await self._keys.hold(task.topic, task.key, task.id, due=due)
                await task.delivery.ack()
                return
        await task.delivery.nak(delay=wait)

    async def free_key(self, task: Task) -> None:
        """Lets the next task of a key begin, if this one has ended."""
        if not task.key:
            return
        try:
            await self._keys.advance(task.topic, task.key)
        except PepperError as error:
            # Whoever has the shard finds it.
            log.warning("task.key_not_freed", task_id=task.id, error=str(error))


async def leave_waiting(
    waits: Waits, delivery: Delivery, task_id: str, topic: str, wait: WaitEntry
) -> None:
    """Acknowledges what a task ran on that waits now, and looks whether its wait is over already.

    It looks too when the acknowledgement is not confirmed: if nothing but the confirmation was
    lost, the task is not delivered again, and nobody else looks for long.

    Args:
        waits: Where wakes are set.
        delivery: What the task ran on.
        task_id: The task.
        topic: Its topic.
        wait: What it waits for.

    Raises:
        Unavailable: The acknowledgement was not confirmed, or the look got no answer.
        Unreachable: The same, because the broker is away.
    """
    try:
        await delivery.ack()
    except (Unavailable, Unreachable):
        await _look(waits, task_id, topic, wait)
        raise
    await _look(waits, task_id, topic, wait)


async def _look(waits: Waits, task_id: str, topic: str, wait: WaitEntry) -> None:
    """Looks until there is an answer: after the acknowledgement there is no other delivery."""
    for left in reversed(range(_LOOKS)):
        try:
            await waits.look(task_id, topic, wait)
        except Unavailable:
            if not left:
                raise
        else:
            return
