"""What a worker tells of its tasks: the events of an attempt, with their common fields."""

from typing import Any

from pepperpy_agents.attempt import Attempt
from pepperpy_bus.events import Emitter
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.trace import told
from pepperpy_bus.units import format_time
from pepperpy_schemas.messages import Answer, WaitEntry


class Teller:
    """Tells what happens to tasks, for one instance of an agent.

    Args:
        emitter: Where events go.
        clock: The server's clock.
        instance: The instance, ``agent/instance``.
    """

    def __init__(self, emitter: Emitter, clock: ServerClock, instance: str) -> None:
        self._emitter = emitter
        self._clock = clock
        self._instance = instance

    async def tell(
        self,
        attempt: Attempt,
        verb: str,
        data: dict[str, Any],
        *,
        certain: bool = False,
        mark: str = "",
    ) -> None:
        """Tells something of an attempt.

        Args:
            attempt: The attempt.
            verb: What happened.
            data: The event's own values; a ``place`` among them tells equal verbs apart.
            certain: Watch until the server has it.
            mark: Tells facts apart that would be repeats of one another.
        """
        task = attempt.task
        place = f":{data['place']}" if "place" in data else ""
        await self._emitter.emit(
            "task",
            verb,
            scope=task.topic,
            id=task.id,
            correlation=task.root,
            causation=task.headers.parent,
            attempt=attempt.number,
            priority=task.headers.priority,
            data=data,
            certain=certain,
            event_id=f"{task.id}:{attempt.number}:{verb}{place}{mark}",
            trace=told(task.delivery.headers) if task.delivery.headers else "",
        )

    def what_is_known(self, attempt: Attempt) -> dict[str, Any]:
        """What else the queue knew of a task: without a journal nobody else tells it later."""
        told: dict[str, Any] = {"instance": self._instance}
        if attempt.number == 1:
            task = attempt.task
            queued = (self._clock.now_ns() - task.delivery.time_ns) / 1e6
            told["queued_ms"] = round(max(0.0, queued), 3)
            if task.headers.source:
                told["source"] = task.headers.source
        return told

    async def wait(self, attempt: Attempt, wait: WaitEntry, *, mark: str = "", **more: Any) -> None:
        """Tells that a task waits, and people what it asks them."""
        told: dict[str, Any] = {"place": wait.n, "for": wait.what, **more}
        if wait.deadline is not None:
            told["deadline"] = format_time(wait.deadline)
        if wait.what == "answer":
            told |= {"question": wait.question, "text": wait.text, "choices": wait.choices}
            await self.tell(attempt, "input_required", told, certain=True, mark=mark)
        else:
            told["children"] = len(wait.children)
            await self.tell(attempt, "suspended", told)

    async def reminder(self, attempt: Attempt, wait: WaitEntry) -> None:
        """Tells people once more what a task asks them."""
        # The next one within two minutes would be dropped as the same event.
        seq = attempt.task.delivery.seq
        await self.wait(attempt, wait, mark=f":{seq}", reminder=True)

    async def refused_answer(
        self, task_id: str, topic: str, wait: WaitEntry, given: Answer | None
    ) -> None:
        """Tells people that an answer was none, and how the question is answered."""
        told: dict[str, Any] = {"question": wait.question, "choices": wait.choices}
        if given is not None:
            told |= {"answer": given.answer, "by": given.by}
        await self._emitter.emit("task", "answer_refused", scope=topic, id=task_id, data=told)
