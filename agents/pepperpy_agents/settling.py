"""The ends of attempts that completed no task: each has one way to settle its delivery."""

from typing import Protocol

import msgspec

from pepperpy_agents.attempt import (
    Attempt,
    Failed,
    Lost,
    Outcome,
    Parked,
    Released,
    Repeat,
    Stopped,
    Superseded,
)
from pepperpy_agents.attempt_log import say_given_up
from pepperpy_agents.beginning import Beginning
from pepperpy_agents.giving_up import file_letter, shorten
from pepperpy_agents.parking import Parking
from pepperpy_agents.pauses import AHEAD, pause
from pepperpy_agents.task import Task
from pepperpy_agents.telling import Teller
from pepperpy_bus.client import Client
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.in_hand import InHand
from pepperpy_bus.tasks.cancels import cancel_child, canceled
from pepperpy_bus.tasks.wakes import wake_parent
from pepperpy_schemas.errors import ErrorInfo, Fenced, PepperError
from pepperpy_schemas.headers import REPLY_TO
from pepperpy_schemas.messages import CancelRequest, Result

log = get_log("pepperpy.worker")

_REPLY_TO = REPLY_TO.lower()


class End(Protocol):
    """Ends a task: writes the result, tells of it and settles the delivery."""

    async def __call__(self, attempt: Attempt, result: Result, *, letter: int = 0) -> None:
        """Ends a task.

        Args:
            attempt: The attempt that ends it.
            result: The result, if it is the first one.
            letter: Place of the dead letter that was filed for it, or 0.
        """
        ...


class Settling:
    """Settles deliveries, for one instance of an agent.

    Args:
        client: The client.
        beginning: Opens journals.
        parking: Puts tasks aside.
        teller: Tells of what happens.
        end: Writes a task's result and settles its delivery.
        in_hand: Says whether this process stood still.
        instance: The instance, ``agent/instance``, written into letters and events.

    Attributes:
        away: Monotonic time when the broker was last away.
    """

    def __init__(
        self,
        client: Client,
        beginning: Beginning,
        parking: Parking,
        teller: Teller,
        end: End,
        in_hand: InHand,
        instance: str,
    ) -> None:
        self._client = client
        self._beginning = beginning
        self._parking = parking
        self._teller = teller
        self._end = end
        self._in_hand = in_hand
        self._instance = instance
        self.away = 0.0

    async def settle(self, attempt: Attempt, outcome: Outcome) -> None:
        """Does what an outcome asks for that is not the completion of the task."""
        delivery = attempt.task.delivery
        match outcome:
            case Failed(error):
                await self.give_up(attempt, error)
            case Repeat(error, wait, failures):
                told = {"error": msgspec.to_builtins(error), "wait": wait, "failures": failures}
                await self._teller.tell(attempt, "retry", told)
                await self._parking.rest(attempt, wait)
            case Parked(wait):
                await self._parking.park(attempt, wait)
            case Stopped(request):
                await self._cancel_children(attempt, request)
                await self._end(attempt, Result(ok=False, error=canceled(request)))
            case Released():
                await self._give_back(attempt)
            case Superseded():
                await tell_parent(self._client, attempt.task)
                await delivery.ack()
            case Lost():
                _say_lost(attempt)
                if attempt.woken:
                    # A wake that came too late is in the way of the next one until it is settled.
                    await delivery.nak(delay=pause(delivery.deliveries, AHEAD))

    async def went_to_another(self, attempt: Attempt) -> bool:
        """Whether a keyed task went to another worker while this process stood still.

        It must not be ended here then: the next of its key would begin beside it.
        """
        if not attempt.task.key or not attempt.number:
            return False
        if self.away < attempt.began and not self._in_hand.stalled_since(attempt.began):
            return False
        journal = await self._beginning.read_journal(attempt.task)
        return journal.history.last_attempt > attempt.number

    async def _cancel_children(self, attempt: Attempt, request: CancelRequest) -> None:
        """The journal may lack the last of them; this attempt knows what it has sent."""
        client = self._client
        for child_id in () if attempt.replay is None else attempt.replay.sent:
            await cancel_child(client.connection, client.prefix, attempt.task.id, child_id, request)

    async def give_up(self, attempt: Attempt, error: ErrorInfo) -> None:
        """Files the dead letter first: a failed result always has one."""
        error, filed = shorten(error), 0
        if error.category != "control":
            filed = await file_letter(self._client, attempt, error, self._instance)
        result = Result(ok=False, error=error)
        await self._end(attempt, result, letter=filed)
        say_given_up(attempt.task, attempt.number, result, filed)

    async def _give_back(self, attempt: Attempt) -> None:
        try:
            await (await self._beginning.journal(attempt)).released()
        except Fenced:
            # To give back what another worker has now would start it a second time.
            _say_lost(attempt)
            return
        except PepperError as error:
            log.debug("task.release_unrecorded", task_id=attempt.task.id, error=str(error))
        await attempt.task.delivery.nak()


def _say_lost(attempt: Attempt) -> None:
    log.warning("task.lost", task_id=attempt.task.id, attempt=attempt.number)


async def tell_parent(client: Client, task: Task) -> None:
    """Wakes the task that waits for this one to end, if any does."""
    await wake_parent(client.connection, client.prefix, task.id, task.delivery.headers)
