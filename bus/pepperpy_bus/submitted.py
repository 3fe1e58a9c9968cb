"""What a client can do with a task that was submitted, by its id."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pepperpy_bus.parts import Parts
from pepperpy_bus.tasks.answers import Question
from pepperpy_bus.tasks.results import Ended
from pepperpy_bus.tasks.watch import Position, Update, watch_task
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import HandlerError, NotFound, error_from_info
from pepperpy_schemas.states import TaskState

if TYPE_CHECKING:
    from pepperpy_bus.tasks.explanation import Explanation


class SubmittedTasks(Parts):
    """The tasks that anybody has submitted; `Client` submits more."""

    async def result(
        self,
        task_id: str,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        wait: Duration | None = None,
    ) -> Any:
        """Returns what a task's handler returned.

        Args:
            task_id: The task.
            type: Decode the answer into this type; plain values by default.
            wait: How long to wait when it has not ended yet; not at all by default.

        Raises:
            NotFound: It has no result (yet, or any more) and ``wait`` was not given.
            TimeoutError: It had not ended in time.
            PepperError: The task failed; the error is the one it failed with.
        """
        return outcome(await self.ended(task_id, wait=wait), type)

    async def ended(self, task_id: str, *, wait: Duration | None = None) -> Ended:
        """Returns a task's end, failed or not; see `result` for the rest."""
        if wait is None:
            found = await self.results.get(task_id)
            if found is None:
                raise NotFound(
                    f"task {task_id} has no result",
                    hint=f"see where it is: pepperpy explain {task_id}",
                )
            return found
        async with self.results.expect(task_id, submitted=True) as waiter:
            return await waiter.wait(parse_duration(wait))

    async def cancel(
        self, task_id: str, *, reason: str = "", by: str = "", wait: Duration = 10.0
    ) -> bool:
        """Ends a task and all its children, wherever they are; returns whether that is done.

        A queued or scheduled task is not started, a suspended one not resumed. A running handler
        gets CancelledError and may clean up; what it returns counts no more.

        Args:
            task_id: The task.
            reason: Why, for people.
            by: Who says so, a claim; by default this client's source.
            wait: How long to wait until it is done. The request is stored: when that takes
                longer, because no worker is up, the first one that comes carries it out within a
                day.

        Raises:
            NotFound: There is no such task.
            Conflict: It has ended otherwise; ``context["state"]`` says how.
        """
        by = by or self.source
        seconds = parse_duration(wait)
        return await self._cancels.cancel(task_id, reason=reason, by=by, wait=seconds)

    async def question(self, task_id: str) -> Question | None:
        """Returns what a task asks people now, or None."""
        return await self._questions.of(task_id)

    async def questions(self, *, topic: str = "") -> list[Question]:
        """Returns the questions that tasks ask people now, the oldest first.

        Args:
            topic: Only those of tasks of this topic.
        """
        return await self._questions.all(topic=topic)

    async def answer(
        self, task_id: str, value: Any, *, question: int | None = None, by: str = ""
    ) -> Question:
        """Answers what a task asks, and returns the question; the first answer counts.

        Args:
            task_id: The task.
            value: The answer, any JSON; one of the choices if the question has some.
            question: The question's number, when only that one is meant: a task may have asked
                another one meanwhile.
            by: Who answers, a claim; by default this client's source.

        Raises:
            NotFound: The task has no open question, or another than that one.
            BadPayload: The answer is none of the choices, or not of the type that is asked for.
            Conflict: Somebody else has answered it.
        """
        by = by or self.source
        return await self._questions.answer(task_id, value, number=question or 0, by=by)

    def watch(
        self, task_id: str, *, start: int | tuple[int, int] | None = None
    ) -> AsyncIterator[Update]:
        """Yields a task's events, live output and end, from its beginning, until it has ended.

        Args:
            task_id: The task.
            start: The first piece of output to yield, from 1, or an attempt and a piece of it.
        """
        position = Position(*start) if isinstance(start, tuple) else Position(seq=start or 1)
        return watch_task(self.connection, self.prefix, self.results, task_id, position)

    async def explain(self, task_id: str, *, children: bool = False) -> "Explanation":
        """Returns the story of a task: attempts, steps, waits, children, cost, and its end.

        Args:
            task_id: The task.
            children: Tell those of its children too, and of theirs.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        return await self._stories.explain(task_id, children=children)

    async def task_state(self, task_id: str) -> TaskState:
        """Returns where a task is in its life; see `explain` for all of it.

        Raises:
            NotFound: Nothing is known of it, or not any more.
        """
        return await self._stories.state(task_id)


def outcome(ended: Ended, type: Any = Any) -> Any:  # noqa: A002 - reads as msgspec's own argument
    """Returns what a task's handler returned, or raises what it failed with.

    Raises:
        PepperError: The task failed.
        BadPayload: The answer is not of the type.
    """
    if ended.result.ok:
        return decode(bytes(ended.result.data), type)
    if ended.result.error is None:
        raise HandlerError(f"task {ended.id} failed and did not say why")
    raise error_from_info(ended.result.error)
