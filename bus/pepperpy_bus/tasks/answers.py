"""Questions that tasks ask people, and the answers."""

import asyncio
from typing import Any, Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.tasks.given_answers import hint, objection, read_answer
from pepperpy_bus.tasks.journal import KEEP, Journal
from pepperpy_bus.tasks.results import Results
from pepperpy_schemas.catalog.tasks import ANSWER, QUESTION
from pepperpy_schemas.errors import BadPayload, Conflict, NotFound, QueueFull
from pepperpy_schemas.messages import Answer, WaitEntry
from pepperpy_schemas.subjects import bucket_name, stream_name
from pepperpy_schemas.tokens import check_token, check_topic, new_id

_FORGET: Final = "1m"
_AT_ONCE: Final = 32


class Question(msgspec.Struct, frozen=True):
    """A question that is open.

    Attributes:
        task_id: The task that asks.
        topic: Its topic.
        wait: The question: its number, text, choices, deadline and default.
        answered: Whether an answer is there, which no worker has taken yet.
    """

    task_id: str
    topic: str
    wait: WaitEntry
    answered: bool = False


class OpenQuestions:
    """The list of what is asked now, as workers keep it.

    Events expire and journals are too many to be searched, so the list is kept beside them. It may
    name a question too many after a crash, never one too few; the journal has the last word.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._bucket = Bucket(connection, bucket_name(prefix, "questions"))

    async def open(self, task_id: str, topic: str, wait: WaitEntry) -> None:
        """Lists what a task waits for, if it is an answer."""
        if wait.what == "answer":
            await self._bucket.put(f"{topic}.{task_id}", QUESTION.encode(wait), ttl=KEEP)

    async def close(self, task_id: str, topic: str, wait: WaitEntry) -> None:
        """Takes a question off the list that is answered, or that nobody need answer any more."""
        if wait.what == "answer":
            await self._bucket.delete(f"{topic}.{task_id}", ttl=_FORGET)

    async def ids(self, topic: str = "") -> list[str]:
        """Returns the tasks on the list, those that ask the longest first."""
        entries = await self._bucket.entries(f"{topic}.*" if topic else ">")
        asked = [(QUESTION.decode(one.value).ts, one.key.partition(".")[2]) for one in entries]
        return [task_id for _, task_id in sorted(asked)]


class Questions:
    """The open questions of a deployment, as those see them who answer.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: The tasks' ends.
    """

    def __init__(self, connection: Connection, prefix: str, results: Results) -> None:
        self._connection = connection
        self._prefix = prefix
        self._results = results

    async def all(self, *, topic: str = "") -> list[Question]:
        """Returns the open questions, the oldest first.

        Args:
            topic: Only those of tasks of this topic.
        """
        if topic:
            check_topic(topic)
        ids = await OpenQuestions(self._connection, self._prefix).ids(topic)
        found: list[Question | None] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found += await asyncio.gather(*(self.of(one) for one in some))
        return [one for one in found if one is not None]

    async def of(self, task_id: str) -> Question | None:
        """Returns what a task asks now, or None."""
        check_token(task_id, what="task id")
        journal = Journal(self._connection, self._prefix, task_id, "")
        await journal.read()
        given, wait = journal.history.input, journal.history.open_wait
        if given is None or wait is None or wait.what != "answer":
            return None
        if await self._results.get(task_id) is not None:
            return None
        answered = await self._is_answered(task_id, given.topic, wait)
        return Question(task_id, given.topic, wait, answered)

    async def answer(self, task_id: str, answer: Any, *, number: int = 0, by: str = "") -> Question:
        """Answers a task's question; the first answer counts.

        Args:
            task_id: The task.
            answer: The answer, any JSON.
            number: The question's number, when only that one is meant.
            by: Who answers, a claim.

        Raises:
            NotFound: The task has no open question, or another than that one.
            BadPayload: The answer is none of the choices, or not of the type that is asked for.
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
        wrong = objection(wait, answer)
        if wrong:
            raise BadPayload(f"answer {answer!r:.80} {wrong:.200}", hint=hint(wait))
        body = ANSWER.encode(Answer(answer, by))
        try:
            await store(self._connection, self._subject(question), body, msg_id=new_id())
        except QueueFull as error:
            raise Conflict(
                f"question {wait.question} of task {task_id} has been answered",
                hint="the first answer counts",
            ) from error
        return question

    async def _is_answered(self, task_id: str, topic: str, wait: WaitEntry) -> bool:
        stream = stream_name(self._prefix, "ANSWERS")
        subject = self._subject(Question(task_id, topic, wait))
        stored = await read_directly(self._connection, stream, {"last_by_subj": subject})
        given = None if stored is None else read_answer(stored.body)
        return given is not None and not objection(wait, given.answer)

    def _subject(self, question: Question) -> str:
        number = str(question.wait.question)
        return ANSWER.of(self._prefix, topic=question.topic, id=question.task_id, question=number)
