"""Held keys: a task that has left its shard unfinished keeps the later ones of its key back.

A shard hands out one task after the other. One that suspends, or rests for long between two
attempts, is acknowledged there, so that other keys go on; a record names it as the holder of its
key. Later tasks of the key are set aside in the order of the shard, and called one by one, each
when the one before has ended. What a worker that dies leaves undone of this, `mend` does: each step
can be done twice.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import FORGET, Cells
from pepperpy_bus.streams.clock import ServerClock, to_datetime
from pepperpy_bus.streams.compare_and_set import compare_and_set
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import delete_message
from pepperpy_bus.streams.reading import Stored, last_as_stored, last_on, read_as_stored
from pepperpy_bus.streams.topology import PARKED, shard_of
from pepperpy_bus.tasks.journal import KEEP
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.schedules import wake_at
from pepperpy_bus.tasks.wakes import wake
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.sharding import KEY_HOLD, SHARDED_TASK
from pepperpy_schemas.catalog.tasks import RESUME, STEP
from pepperpy_schemas.errors import BadHeader, WrongSequence
from pepperpy_schemas.messages import InputEntry, Resume
from pepperpy_schemas.sharding import KeyHold
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.keys")

MAX_WAIT: Final = 30.0
"""Seconds that the back-offs of one task may hold up its shard; longer ones hold its key alone."""

_CHECK: Final = Resume("check")
_OVERDUE: Final = timedelta(seconds=5)
_OF_OLD: Final = timedelta(hours=1)


class Keys:
    """The held keys of a deployment.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        results: The tasks' ends.
        clock: The server's clock.
    """

    def __init__(
        self, connection: Connection, prefix: str, results: Results, clock: ServerClock
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._results = results
        self._clock = clock
        self._cells = Cells(connection, prefix)
        self._stream = stream_name(prefix, "KEYED")

    async def holder(self, topic: str, key: str) -> KeyHold | None:
        """Returns the task that holds a key, or None."""
        entry = await self._cells.get(self._name(topic, key))
        return None if entry is None else KEY_HOLD.decode(entry.value)

    async def hold(
        self, topic: str, key: str, task_id: str, *, due: datetime | None = None
    ) -> None:
        """Keeps later tasks of a key back until this one has ended.

        Args:
            topic: The topic.
            key: The key.
            task_id: The task.
            due: When its back-off is over, by the server's clock; None for one that suspends.
        """
        if not await self._take(topic, key, task_id, due):
            # That one has ended, and whoever was to free the key has died.
            await self.advance(topic, key)
            if not await self._take(topic, key, task_id, due):
                log.warning("keys.held_by_another", topic=topic, key=key, task_id=task_id)
        if due is not None:
            await self._wake_at(topic, task_id, due)

    async def _take(self, topic: str, key: str, task_id: str, due: datetime | None) -> bool:
        """Makes a task the holder of its key; False when another one is."""
        state: Literal["suspended", "resting"] = "suspended" if due is None else "resting"
        since, mine = self._clock.now(), [True]

        def edit(before: bytes | None) -> bytes | None:
            held = None if before is None else KEY_HOLD.decode(before)
            mine[:] = [held is None or held.holder == task_id]
            if not mine[0]:
                return None
            parked = 0 if held is None else held.parked
            first = since if held is None else held.since
            return KEY_HOLD.encode(KeyHold(task_id, state, first, due, parked))

        await self._cells.change(self._name(topic, key), edit)
        return mine[0]

    async def may_start(self, topic: str, key: str, task_id: str) -> bool:
        """Whether a task that nothing else is open for goes on now: it is its turn."""
        held = await self.holder(topic, key)
        if held is None or held.holder != task_id:
            return False
        if held.due is not None and held.due > self._clock.now():
            await self._wake_at(topic, task_id, held.due)
            return False
        return held.state != "suspended"

    # --- setting aside --------------------------------------------------------------------------

    async def park(self, delivery: Delivery, topic: str, key: str, task_id: str) -> bool:
        """Sets a task aside until it is its turn; False when its key is free, or was a moment ago.

        The delivery may be acknowledged when it was set aside.
        """
        subject = SHARDED_TASK.of(self._prefix, topic=topic, shard=PARKED, key=key, id=task_id)
        fields = {k: v for k, v in delivery.headers.items() if not k.startswith(h.RESERVED)}
        fields[h.QUEUED] = f"{delivery.seq};{delivery.time_ns}"
        msg_id = f"{task_id}:parked:{delivery.seq}:{delivery.deliveries}"
        try:
            parked = await compare_and_set(
                self._connection,
                self._stream,
                subject,
                delivery.body,
                last=0,
                msg_id=msg_id,
                headers=fields,
            )
        except WrongSequence:
            # It was set aside before, by whoever had it then.
            stored = await last_as_stored(self._connection, self._stream, subject)
            parked = stored.seq if stored is not None else 0
        if parked and await self._counted(topic, key, parked):
            return True
        await delete_message(self._connection, self._stream, parked)
        return False

    async def _counted(self, topic: str, key: str, parked: int) -> bool:
        """Tells whoever is about to free the key that there is one more; False when it is free."""
        is_held: list[bool] = []

        def edit(before: bytes | None) -> bytes | None:
            is_held[:] = [before is not None]
            if before is None:
                return None
            return KEY_HOLD.encode(msgspec.structs.replace(KEY_HOLD.decode(before), parked=parked))

        await self._cells.change(self._name(topic, key), edit)
        return is_held[0]

    # --- going on -------------------------------------------------------------------------------

    async def advance(self, topic: str, key: str) -> None:
        """Gives a key whose holder has ended to the next task, or frees it; harmless otherwise."""
        name = self._name(topic, key)
        while True:
            entry = await self._cells.get(name)
            if entry is None:
                return
            held = KEY_HOLD.decode(entry.value)
            if not await self._has_ended(held):
                return
            first = await self._first_parked(topic, key)
            try:
                if first is None:
                    await self._cells.bucket.delete(name, ttl=FORGET, revision=entry.revision)
                    return
                task_id = self._id_of(first)
                if await self._results.get(task_id) is not None:
                    await delete_message(self._connection, self._stream, first.seq)
                    continue
                await self._write_input(topic, key, task_id, first)
                called = KeyHold(task_id, "called", self._clock.now(), parked=held.parked)
                body = KEY_HOLD.encode(called)
                await self._cells.bucket.update(name, body, revision=entry.revision)
            except WrongSequence:
                continue
            await self._call(topic, task_id, first)
            return

    async def held(self, topic: str) -> list[tuple[int, str]]:
        """Returns the shard and the name of every key of a topic that is held."""
        pattern = self._cells.pattern(KEY_HOLD, topic=topic)
        found = await self._cells.bucket.entries(pattern)
        return [(int(one.key.split(".")[2]), one.key.rpartition(".")[2]) for one in found]

    async def mend(self, topic: str, key: str) -> None:
        """Does what a worker that died has left undone for a held key."""
        held = await self.holder(topic, key)
        if held is None:
            return
        if await self._has_ended(held):
            await self.advance(topic, key)
        elif held.state == "called":
            first = await self._first_parked(topic, key)
            if first is not None and self._id_of(first) == held.holder:
                await self._call(topic, held.holder, first)
        elif held.due is not None and self._clock.now() - held.due > _OVERDUE:
            await self._wake(topic, held.holder)

    async def _call(self, topic: str, task_id: str, parked: Stored) -> None:
        """Wakes the task whose turn it is; until that is sure its message stays."""
        await self._wake(topic, task_id)
        await delete_message(self._connection, self._stream, parked.seq)

    async def _wake(self, topic: str, task_id: str) -> None:
        await wake(self._connection, self._prefix, topic=topic, task_id=task_id, resume=_CHECK)

    async def _wake_at(self, topic: str, task_id: str, due: datetime) -> None:
        digest = hashlib.blake2b(task_id.encode(), digest_size=16).hexdigest()
        await wake_at(
            self._connection,
            self._prefix,
            topic=topic,
            task_id=task_id,
            when=due,
            body=RESUME.encode(_CHECK),
            name=f"rest-{digest}",
        )

    async def _write_input(self, topic: str, key: str, task_id: str, parked: Stored) -> None:
        """A task that is woken is read from its journal."""
        fields = {k: v for k, v in parked.headers.items() if not k.startswith(h.RESERVED)}
        seq, stored = read_queued(fields.pop(h.QUEUED.lower(), ""))
        body = parked.body or b"null"
        entry = InputEntry(
            topic,
            msgspec.Raw(body),
            fields,
            hashlib.sha256(body).hexdigest(),
            stored,
            key,
            seq,
        )
        try:
            await compare_and_set(
                self._connection,
                stream_name(self._prefix, STEP.stream),
                STEP.of(self._prefix, id=task_id),
                STEP.encode(entry),
                last=0,
                msg_id=f"{task_id}:0:0:called:{parked.seq}",
                ttl=KEEP,
            )
        except WrongSequence:
            log.debug("keys.journaled_already", task_id=task_id)

    async def _first_parked(self, topic: str, key: str) -> Stored | None:
        subject = SHARDED_TASK.pattern(self._prefix, topic=topic, shard=PARKED, key=key)
        # By the leader: another server may not have the last one yet.
        query = {"seq": 1, "next_by_subj": subject}
        return await read_as_stored(self._connection, self._stream, query)

    async def _has_ended(self, held: KeyHold) -> bool:
        """Results expire before journals do: a task of old that has neither is over."""
        if await self._results.get(held.holder) is not None:
            return True
        if self._clock.now() - held.since < _OF_OLD:
            return False
        stream = stream_name(self._prefix, "STEPS")
        subject = STEP.of(self._prefix, id=held.holder)
        return await last_on(self._connection, stream, subject) is None

    def _id_of(self, parked: Stored) -> str:
        return SHARDED_TASK.parse(self._prefix, parked.subject)["id"]

    def _name(self, topic: str, key: str) -> str:
        return self._cells.key(KEY_HOLD, topic=topic, shard=str(shard_of(key)), key=key)


def read_queued(text: str) -> tuple[int, datetime]:
    """Returns sequence number and time of the message that a task which waited came as.

    Raises:
        BadHeader: The text says neither.
    """
    seq, _, nanoseconds = text.partition(";")
    if not (seq.isdigit() and nanoseconds.isdigit()):
        raise BadHeader(f"{h.QUEUED} is {text!r:.60}", context={"header": h.QUEUED})
    return int(seq), to_datetime(int(nanoseconds))


def too_long(first_failure: datetime | None, wait: float, now: datetime) -> bool:
    """Whether a back-off would hold a shard longer than it may."""
    spent = max(0.0, (now - first_failure).total_seconds()) if first_failure else 0.0
    return spent + wait > MAX_WAIT
