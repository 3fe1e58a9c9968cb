"""Questions that tasks ask people, and the answers."""

from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.waits import is_allowed
from pepperpy_schemas.catalog import ANSWER
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload, Conflict, NotFound, QueueFull
from pepperpy_schemas.messages import Answer, WaitEntry
from pepperpy_schemas.tokens import new_id


class Question(msgspec.Struct, frozen=True):
    """A question that is open.

    Attributes:
        task_id: The task that asks.
        topic: Its topic.
        wait: The question: its number, text, choices, deadline and default.
    """

    task_id: str
    topic: str
    wait: WaitEntry


class Questions:
    """The open questions of a deployment."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    async def of(self, task_id: str) -> Question | None:
        """Returns what a task asks now, or None."""
        journal = Journal(self._connection, self._prefix, task_id, "")
        await journal.read()
        given, wait = journal.history.input, journal.history.open_wait
        if given is None or wait is None or wait.what != "answer":
            return None
        return Question(task_id, given.topic, wait)

    async def answer(self, task_id: str, answer: Any, *, number: int = 0, by: str = "") -> Question:
        """Answers a task's question; the first answer counts.

        Args:
            task_id: The task.
            answer: The answer, any JSON.
            number: The question's number, when only that one is meant.
            by: Who answers, a claim.

        Raises:
            NotFound: The task has no open question, or another than that one.
            BadPayload: The answer is none of the choices.
            Conflict: Somebody else has answered it.
        """
        question = await self.of(task_id)
        if question is None or (number and question.wait.question != number):
            which = f"question {number}" if number else "a question"
            raise NotFound(
                f"task {task_id} does not wait for the answer to {which}",
                hint=f"see what it does: pepperpy watch {task_id}",
            )
        wait = question.wait
        if not is_allowed(wait, answer):
            allowed = ", ".join(encode(one).decode() for one in wait.choices)
            raise BadPayload(
                f"answer {answer!r:.80} is none of the choices", hint=f"choose one of {allowed}"
            )
        subject = ANSWER.of(
            self._prefix, topic=question.topic, id=task_id, question=str(wait.question)
        )
        body = ANSWER.encode(Answer(answer, by))
        try:
            await store(self._connection, subject, body, msg_id=new_id())
        except QueueFull as error:
            raise Conflict(
                f"question {wait.question} of task {task_id} has been answered",
                hint="the first answer counts",
            ) from error
        return question
