"""Explaining a task: everything the broker still knows of it is read, and put in order.

Nothing is kept for this: the journal, the events, the result, the dead letter, the queue and the
schedules tell it together, and each may be missing: events expire first, tasks without steps have
no journal, workers in other languages write neither.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

import msgspec

from pepperpy_bus.events import Heard
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.budget import Budgets
from pepperpy_bus.streams.reading import Stored, all_on, last_on, read_directly
from pepperpy_bus.tasks.deadletters import DeadLetters, Filed
from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.tasks.explanation import Explanation, ToldChild
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.telling import tell
from pepperpy_bus.tasks.whereabouts import find_task
from pepperpy_bus.units import parse_time
from pepperpy_schemas.budgets import UNITS, allowance_of
from pepperpy_schemas.catalog.events import EVENT, EVENT_HIGH
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import NotFound, PepperError, PermissionDenied
from pepperpy_schemas.messages import Event
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import Subject, stream_name
from pepperpy_schemas.tokens import check_token

log = get_log("pepperpy.explain")

MOST_EVENTS: Final = 1_000
"""Events of one task that are read."""
DEEPEST: Final = 16
"""Generations of children that are told."""

_AT_ONCE: Final = 16
_EARLIER: Final = timedelta(minutes=10)
"""A letter is looked for from so long before the end on: clocks differ."""


class Stories:
    """Tells of the tasks of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: The tasks' ends.
        dead_letters: The tasks that failed for good.
        budgets: What was spent.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        results: Results,
        dead_letters: DeadLetters,
        budgets: Budgets,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._results = results
        self._dead_letters = dead_letters
        self._budgets = budgets
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def state(self, task_id: str) -> TaskState:
        """Returns where a task is in its life.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        check_token(task_id, what="task id")
        ended = await self._results.get(task_id)
        if ended is not None:
            return ended.result.state
        evidence = await self._evidence(task_id)
        state = evidence.state()
        if state is None or evidence.recurs:
            raise _unknown(task_id, evidence.recurs)
        return state

    async def explain(self, task_id: str, *, children: bool = False) -> Explanation:
        """Returns a task's story.

        Args:
            task_id: The task.
            children: Tell those of its children too, and of theirs.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        check_token(task_id, what="task id")
        return await self._explain(task_id, DEEPEST if children else 0)

    async def _explain(self, task_id: str, depth: int) -> Explanation:
        async with self._slots:
            evidence = await self._evidence(task_id)
            state = evidence.state()
            if state is None or evidence.recurs:
                raise _unknown(task_id, evidence.recurs)
            if state in (TaskState.FAILED, TaskState.REJECTED):
                filed = await self._letter(evidence)
                evidence = msgspec.structs.replace(evidence, filed=filed)
            story = tell(evidence, state)
            cost = await self._spent(task_id) if evidence.headers.budget else {}
        await asyncio.gather(*(self._look_after(child, depth) for child in story.children))
        return msgspec.structs.replace(story, cost=cost or story.cost)

    async def _look_after(self, child: ToldChild, depth: int) -> None:
        if depth:
            try:
                child.explanation = await self._explain(child.id, depth - 1)
            except NotFound:
                return
            child.state = child.explanation.state
        elif child.state is None:
            async with self._slots:
                with contextlib.suppress(NotFound):
                    child.state = await self.state(child.id)

    # --- reading --------------------------------------------------------------------------------

    async def _evidence(self, task_id: str) -> Evidence:
        """Reads what there is, in the order of a task's way: its end comes last."""
        where, *told = await asyncio.gather(
            find_task(self._connection, self._prefix, task_id, read_directly),
            self._events(EVENT, task_id),
            self._events(EVENT_HIGH, task_id),
        )
        journal = Journal(self._connection, self._prefix, task_id, "")
        if where is None:
            await journal.read()
        stream, subject = stream_name(self._prefix, "RESULTS"), RESULT.of(self._prefix, id=task_id)
        ended, stored = await asyncio.gather(
            self._results.get(task_id), last_on(self._connection, stream, subject)
        )
        return Evidence(
            task_id=task_id,
            where=where,
            history=journal.history if where is None else where.history,
            events=sorted((one for lane in told for one in lane), key=lambda one: one.event.ts),
            ended=ended,
            ended_at=parse_time(stored.time) if ended is not None and stored is not None else None,
        )

    async def _events(self, lane: Subject[Event], task_id: str) -> list[Heard]:
        subject = lane.pattern(self._prefix, id=task_id)
        stream = stream_name(self._prefix, "EVENTS")
        stored = await all_on(self._connection, stream, subject, limit=MOST_EVENTS)
        return [one for one in map(_read_event, stored) if one is not None]

    async def _letter(self, evidence: Evidence) -> Filed | None:
        since = None if evidence.ended_at is None else evidence.ended_at - _EARLIER
        try:
            async for filed in self._dead_letters.find(topic=evidence.topic, since=since):
                if filed.letter.task_id == evidence.task_id:
                    return filed
        except PermissionDenied:
            log.debug("explain.no_letters", task_id=evidence.task_id)
        return None

    async def _spent(self, task_id: str) -> dict[str, float]:
        try:
            spent = allowance_of((await self._budgets.ledger(task_id)).spent)
        except (NotFound, PermissionDenied):
            return {}
        amounts = {unit: getattr(spent, unit) for unit in UNITS}
        return {unit: amount for unit, amount in amounts.items() if amount}


def _read_event(stored: Stored) -> Heard | None:
    _, _, entity, verb, scope, task_id = stored.subject.split(".")
    try:
        return Heard(entity, verb, scope, task_id, EVENT.decode(stored.body), stored.seq)
    except PepperError:
        return None


def _unknown(task_id: str, recurs: bool) -> NotFound:
    if recurs:
        return NotFound(
            f"{task_id} is no task but a schedule, which submits tasks again and again",
            hint=f"show it: pepperpy schedules show {task_id}",
        )
    return NotFound(
        f"no task {task_id}",
        hint="it never was, or everything of it has expired; look at the id",
        context={"task_id": task_id},
    )
