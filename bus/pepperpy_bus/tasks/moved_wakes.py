"""Wakes that lie among the tasks, as they once did, move to the queue of their own.

Two streams cannot keep the same subject, so the queue of tasks gives it up first; what comes in
between waits where it comes from, in the streams of answers and schedules.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.figures import consumers_of
from pepperpy_bus.streams.jetstream import api, delete_message, store
from pepperpy_bus.streams.reading import Stored, read_as_stored
from pepperpy_bus.streams.topology import Config, source_consumer
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.catalog.tasks import RESUME, TASK
from pepperpy_schemas.errors import BadName, NotFound, TopologyDrift
from pepperpy_schemas.subjects import stream_name


class OldWakes:
    """The wakes that a deployment keeps among its tasks.

    Args:
        connection: The connection of an operator.
        declared: The streams of the deployment.

    Attributes:
        stream: The queue of tasks, which has them.
    """

    def __init__(self, connection: Connection, declared: Sequence[Config]) -> None:
        self._connection = connection
        self._queues = {one["name"]: one for one in declared}
        names = [one for one in self._queues if one.endswith(stream_name("", RESUME.stream))]
        self._new = self._queues[names[0]] if names else None
        prefix = "" if self._new is None else self._new["subjects"][0].split(".")[0]
        self._prefix = prefix
        self.stream = stream_name(prefix, TASK.stream)

    async def count(self) -> int:
        """Returns how many there are."""
        if self._new is None:
            return 0
        try:
            query = {"subjects_filter": self._new["subjects"][0]}
            info = await api(self._connection, f"STREAM.INFO.{self.stream}", query)
        except NotFound:
            return 0
        subjects: Mapping[str, int] = info["state"].get("subjects") or {}
        return sum(subjects.values())

    async def give_up(self) -> None:
        """Has the queue of tasks keep tasks alone, so that there can be one of wakes.

        Raises:
            TopologyDrift: Workers of an earlier version still wait for wakes there.
        """
        if self._new is None or self.stream not in self._queues:
            return
        try:
            actual = (await api(self._connection, f"STREAM.INFO.{self.stream}"))["config"]
        except NotFound:
            return
        pulled = await self._pulled()
        at_work = sorted(one["name"][2:] for one in pulled if one.get("num_waiting"))
        if at_work:
            raise TopologyDrift(
                f"workers of an earlier version take wakes of {', '.join(at_work)} "
                f"from {self.stream}",
                hint="stop them, run: pepperpy bus apply, and start those of this version",
                context={"topics": at_work},
            )
        if self._new["subjects"][0] not in actual["subjects"]:
            return
        declared = self._queues[self.stream]
        for source in declared["sources"]:
            # It took the due wakes too, which another consumer cannot take beside it.
            stream, config = source["name"], source_consumer(source)
            request = {"stream_name": stream, "config": config}
            await api(self._connection, f"CONSUMER.CREATE.{stream}.{config['name']}", request)
        # Last: while it has the wakes' subject, none of this counts as done.
        await api(self._connection, f"STREAM.UPDATE.{self.stream}", {**actual, **declared})

    async def move(self) -> None:
        """Moves them, when their queue is there; harmless when it is done again."""
        if self._new is None:
            return
        while (one := await self._first()) is not None:
            await self._carry_on(one)
            msg_id = f"{self.stream}-{one.seq}:moved"
            await store(self._connection, one.subject, one.body, msg_id=msg_id)
            await delete_message(self._connection, self.stream, one.seq)
        for config in await self._pulled():
            await api(self._connection, f"CONSUMER.DELETE.{self.stream}.{config['name']}")

    async def _first(self) -> Stored | None:
        assert self._new is not None
        query = {"seq": 1, "next_by_subj": self._new["subjects"][0]}
        try:
            return await read_as_stored(self._connection, self.stream, query)
        except NotFound:
            return None

    async def _carry_on(self, wake: Stored) -> None:
        """Notes for a task that ran on this wake that it goes on with another one."""
        try:
            task_id = RESUME.parse(self._prefix, wake.subject)["id"]
        except BadName:
            return  # nobody takes it, here or there
        journal = Journal(self._connection, self._prefix, task_id, "bus apply")
        await journal.read()
        carrier = f"{self.stream}-{wake.seq}"
        if journal.history.has_begun_on(carrier) and not journal.history.is_adrift:
            await journal.released(given_up=carrier)

    async def _pulled(self) -> list[dict[str, Any]]:
        """The consumers that hand wakes out where they do not belong any more."""
        assert self._new is not None
        wakes = self._new["subjects"][0].removesuffix(">")
        try:
            found = await consumers_of(self._connection, self.stream)
        except NotFound:
            return []
        return [one for one in found if _filter(one).startswith(wakes)]


def _filter(consumer: Mapping[str, Any]) -> str:
    config = consumer["config"]
    filters = config.get("filter_subjects") or [config.get("filter_subject", "")]
    return str(filters[0])
