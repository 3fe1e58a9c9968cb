"""The beginning of an attempt: whether there is one at all, its number, its journal, its input.

Whatever may have been begun before is claimed first, so that nobody else can go on with it.
"""

from datetime import datetime
from typing import Any

import msgspec

from pepperpy_agents.attempt import Attempt, Failed, Outcome, Parked, Superseded
from pepperpy_agents.durable.taking_over import take_over
from pepperpy_agents.durable.waiting import waited_entry
from pepperpy_agents.task import Task
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import redeem
from pepperpy_bus.streams.clock import to_datetime
from pepperpy_bus.tasks.answers import OpenQuestions
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.waits import forget_answers
from pepperpy_bus.tasks.whereabouts import is_under_way
from pepperpy_schemas.cloudevents import is_cloudevent, unwrap
from pepperpy_schemas.errors import BadHeader, BadPayload, ErrorInfo, NotFound
from pepperpy_schemas.headers import BLOB

_BLOB = BLOB.lower()


class Beginning:
    """Begins attempts, for one instance of an agent.

    Args:
        client: The client.
        questions: The questions that are open: one that is answered is closed.
        instance: The instance, ``agent/instance``, written into journals.

    Attributes:
        away_ns: When the broker was last away, by its clock: what it stored before that it may
            have delivered, and have forgotten that.
    """

    def __init__(self, client: Client, questions: OpenQuestions, instance: str) -> None:
        self._client = client
        self._questions = questions
        self._instance = instance
        self.away_ns = 0

    async def begin(self, attempt: Attempt) -> Outcome | None:
        """Finds the attempt's number; returns an outcome when there is nothing to begin."""
        if attempt.journal is not None:
            await self._claim(attempt, attempt.journal)
            return None
        task = attempt.task
        repeated = task.redelivered or task.delivery.time_ns < self.away_ns
        if (task.chosen or repeated) and await self._client.results.get(task.id) is not None:
            return Superseded()
        attempt.number = 1
        if task.chosen or repeated:
            journal = attempt.journal = await self.read_journal(task)
            if journal.begun and not task.key and _time_ns(journal.begun) < task.delivery.time_ns:
                return await self._again(attempt, journal)
            if journal.history.is_spent(task.carrier, original=True):
                return Parked(journal.history.open_wait)
            if task.redelivered or journal.history.entries:
                await self._claim(attempt, journal)
        return await self._take_over(attempt) if task.headers.from_step else None

    async def _again(self, attempt: Attempt, journal: Journal) -> Outcome | None:
        """Begins with a task whose id has a journal from before it was queued."""
        task, client = attempt.task, self._client
        seq, queued = task.delivery.seq, to_datetime(task.delivery.time_ns)
        if await is_under_way(client.connection, client.prefix, task.id, seq, queued):
            return Parked(None)
        # That one has ended, and its result has expired.
        await forget_answers(client.connection, client.prefix, task.id)
        await journal.restart(task.carrier)
        return None

    async def _take_over(self, attempt: Attempt) -> Outcome | None:
        """Begins with what the task has done that this one repeats from a step on."""
        task = attempt.task
        if attempt.journal is None:
            attempt.journal = await self.read_journal(task)
        if attempt.journal.history.input is None:
            try:
                await take_over(self._client, attempt.journal, task)
            except (BadHeader, NotFound) as error:
                return Failed(error.info())
        return None

    async def _claim(self, attempt: Attempt, journal: Journal) -> None:
        wait = journal.history.open_wait
        attempt.number = journal.history.next_attempt(attempt.task.delivery.deliveries)
        await journal.claim(attempt.number, attempt.task.carrier)
        if wait is not None and attempt.over is not None:
            entry = await waited_entry(self._client, attempt.number, wait, attempt.over)
            await journal.append(entry)
        if wait is not None:
            await self._questions.close(attempt.task.id, attempt.task.topic, wait)

    async def read_journal(self, task: Task) -> Journal:
        """Returns a task's journal as it is now."""
        client = self._client
        journal = Journal(client.connection, client.prefix, task.id, self._instance)
        await journal.read()
        return journal

    async def journal(self, attempt: Attempt) -> Journal:
        """The journal to write in.

        A first attempt does not read it: it takes it for empty, and is fenced if it is not.
        """
        if attempt.journal is None:
            client, task = self._client, attempt.task
            journal = Journal(client.connection, client.prefix, task.id, self._instance)
            if not attempt.number:
                await journal.read()
            attempt.journal = journal
        return attempt.journal

    async def read_input(self, attempt: Attempt) -> Any:
        """Returns the input as the handler's type.

        Raises:
            PepperError: It cannot be read; of category ``bus`` just now only.
            Exception: A type's own validation may raise anything.
        """
        delivery, schema = attempt.task.delivery, attempt.task.headers.schema
        if schema:
            await self._client.schemas.check_name(attempt.spec.topic, schema)
        body, headers = delivery.body, delivery.headers
        if headers:
            if _BLOB in headers:
                client = self._client
                body = await redeem(client.connection, client.prefix, body, headers)
            if is_cloudevent(headers):
                body = unwrap(body, headers)
        return attempt.spec.handler.decode(body)


def _time_ns(stored: str) -> int:
    """The nanoseconds of a server's timestamp, to the microsecond below."""
    moment = datetime.fromisoformat(stored[:26].rstrip("Z") + "+00:00")
    return int(moment.timestamp() * 1e6) * 1000


def for_topic(info: ErrorInfo, topic: str) -> ErrorInfo:
    """Returns what is wrong with a body; its hint says where the topic's schema is."""
    if info.code != BadPayload.code or info.hint:
        return info
    return msgspec.structs.replace(info, hint=f"show the schema with: pepperpy schema show {topic}")
