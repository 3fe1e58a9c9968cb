"""Keeps what is learned on the bus: many replicas change it at once, and no change is lost.

A change is made on the newest state and stored only if that is still the newest; if another replica
was faster, the change is made again on what that one stored. Changes of one process that come while
one is being stored are stored together.
"""

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Generic, Self, TypeVar
from weakref import WeakValueDictionary

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import FORGET, Cells
from pepperpy_bus.units import now
from pepperpy_capabilities.learning.states.bodies import INLINE, Bodies, check_size
from pepperpy_capabilities.learning.states.changes import Asked, Broken, Changed, make_changes
from pepperpy_capabilities.learning.states.marks import Once
from pepperpy_schemas.catalog.state import LEARNER_STATE
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload, NotFound, Overloaded, WrongSequence
from pepperpy_schemas.learner_state import LearnerState, Marks

L = TypeVar("L")
T = TypeVar("T")

WITHIN: Final = 30.0
"""Seconds that a change is tried while others change the same state."""
_IN_HAND = 32
"""States that a process has in its memory; the one that was used longest ago makes room."""
_BYTES_IN_HAND = 64 * 1024 * 1024
"""Bytes of those states as they are saved; in memory they take some times as much."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1


class _Unsaved(Exception):
    """A state cannot be saved, or is too large."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Held(Generic[L]):
    """A state in memory, as it is stored at a revision."""

    def __init__(self, live: L, record: LearnerState | None, revision: int, size: int) -> None:
        self.live = live
        self.size = size
        self.record = record
        self.revision = revision


class Keeper(Generic[L]):
    """Keeps states of one kind by name, as an async context manager.

    Learners run in a thread, one change or look of a name at a time. Leaving its context waits for
    what is under way.

    Args:
        connection: The connection.
        prefix: The deployment's.
        kind: What the learners are, one token: ``online``.
        load: Makes the learner of a state that was saved; of None where there is none yet. It
            raises `BadProblem` for a state that it cannot read.
        save: Returns the state of a learner.
        inline: Bytes above which a state goes to the object store.

    Example:
        ```python
        async with Keeper(connection, "pp", "counts", load=Counts, save=Counts.save) as keeper:
            changed = await keeper.change("words", lambda counts: counts.add("bus"))
        ```
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        kind: str,
        *,
        load: Callable[[bytes | None], L],
        save: Callable[[L], bytes],
        inline: int = INLINE,
    ) -> None:
        self._cells = Cells(connection, prefix)
        self._bodies = Bodies(connection, prefix, inline=inline)
        self._kind = kind
        self._load = load
        self._save = save
        self._held: OrderedDict[str, _Held[L]] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._asked: dict[str, list[Asked[L, Any]]] = {}
        self._commits: dict[str, asyncio.Task[None]] = {}
        self._swept: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.settle()

    async def settle(self) -> None:
        """Waits for the changes that are under way."""
        while self._commits:
            await asyncio.wait(self._commits.values())

    async def change(
        self, name: str, edit: Callable[[L], T], *, once: Once | None = None
    ) -> Changed[T]:
        """Changes a state, however many others do so at the same time.

        A caller who is cancelled while the change is on its way does not stop it.

        Args:
            name: The learner's name, one token.
            edit: Changes the learner and returns an outcome. It is called again, on a newer state,
                whenever another replica was faster, so it has no other effects. A `PepperError`
                that it raises must leave the learner as it was; one that does not is raised in
                a `Spoiled`.
            once: Make the change once, however often it is asked for.

        Raises:
            BadName: The name is not one token.
            Conflict: Nobody can tell any more whether it was made before.
            TooBig: The state would become larger than one may be; it stays as it was.
            Overloaded: Others have changed it all the time.
            Unreachable: The broker did not come back in time.
        """
        key = self._key(name)
        asked: Asked[L, T] = Asked(edit, once)
        self._asked.setdefault(key, []).append(asked)
        if key not in self._commits:
            task = asyncio.create_task(self._commit_all(key), name=f"learner:{key}")
            self._commits[key] = task
        return await asked.done

    async def read(self, name: str, look: Callable[[L], T]) -> Changed[T]:
        """Returns what a function says of the newest state; it must not change it.

        Raises:
            BadName: The name is not one token.
            Unreachable: The broker did not come back in time.
        """
        key = self._key(name)
        async with self._lock(key):
            held = await self._newest(key)
            looking = asyncio.ensure_future(asyncio.to_thread(look, held.live))
            try:
                outcome = await asyncio.shield(looking)
            except asyncio.CancelledError:
                # A thread cannot be stopped, and a change must not come under its eyes.
                await asyncio.wait([looking])
                raise
            return Changed(outcome, held.record.version if held.record else 0)

    async def erase(self, name: str) -> None:
        """Removes a state with all that is known of it; harmless when there is none."""
        key = self._key(name)
        async with self._lock(key):
            self._held.pop(key, None)
            while (entry := await self._cells.get(key)) is not None:
                try:
                    await self._cells.bucket.delete(key, ttl=FORGET, revision=entry.revision)
                except WrongSequence:
                    continue  # a newer one would leave its body behind
                # One that cannot be read is erased, too; where its body lies nobody knows then.
                with contextlib.suppress(BadPayload):
                    await self._bodies.remove(decode(entry.value, LearnerState))
                return

    async def names(self) -> list[str]:
        """Returns the names of all states of the kind, sorted."""
        pattern = self._cells.pattern(LEARNER_STATE, kind=self._kind)
        return sorted(
            one.key.rpartition(".")[2] for one in await self._cells.bucket.entries(pattern)
        )

    async def _commit_all(self, key: str) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while asked := self._asked.pop(key, None):
                if waiting := [one for one in asked if not one.done.done()]:
                    begun = clock()
                    async with self._lock(key):
                        await self._commit(key, waiting)
                    # One that began its next change at once would always be the first to store,
                    # and other replicas would not get a turn.
                    await asyncio.sleep(random.uniform(0, clock() - begun))  # noqa: S311 - jitter
        finally:
            del self._commits[key]

    async def _commit(self, key: str, asked: list[Asked[L, Any]]) -> None:
        """Makes changes and stores them together; those that cannot be are told so."""
        try:
            await self._insist(key, asked)
        except Broken as broken:
            broken.by.fail(broken.reason)
            if others := [one for one in asked if one is not broken.by]:
                await self._commit(key, others)
        except _Unsaved as unsaved:
            # Each for itself, so that only the one whose state it is hears of it.
            if len(asked) == 1:
                asked[0].fail(unsaved.reason)
            for one in asked if len(asked) > 1 else ():
                await self._commit(key, [one])
        except BaseException as error:
            for one in asked:
                one.fail(error)
            if not isinstance(error, Exception):
                raise

    async def _insist(self, key: str, asked: list[Asked[L, Any]]) -> None:
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + WITHIN, _FIRST_PAUSE
        while True:
            held = await self._newest(key)
            self._held.pop(key, None)  # it is another one from the first change on
            try:
                await self._make(key, held, asked)
            except WrongSequence:
                if loop.time() > end:
                    raise Overloaded(
                        f"{key} was changed by others for {WITHIN:g} s on end",
                        hint="try again later, or send examples in larger batches",
                        context={"key": key},
                    ) from None
            else:
                return
            pause = min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(random.uniform(pause / 4, pause))  # noqa: S311 - jitter

    async def _make(self, key: str, held: _Held[L], asked: list[Asked[L, Any]]) -> None:
        marks = held.record.marks if held.record else Marks()
        after = await asyncio.to_thread(make_changes, held.live, marks, asked)
        if after is not None:
            body = await asyncio.to_thread(self._saved, held.live)
            held = await self._store(key, held, after, body)
        self._hold(key, held)
        version = held.record.version if held.record else 0
        for one in asked:
            one.end(version)

    def _saved(self, live: L) -> bytes:
        try:
            body = self._save(live)
            check_size(body)
        except Exception as error:
            raise _Unsaved(error) from error
        return body

    async def _store(self, key: str, held: _Held[L], marks: Marks, body: bytes) -> _Held[L]:
        before = held.record
        version = before.version + 1 if before else 1
        plain = LearnerState(version=version, changed=now(), marks=marks)
        record = await self._bodies.put(key, plain, body)
        bucket = self._cells.bucket
        try:
            if before is None:
                revision = await bucket.create(key, encode(record))
            else:
                revision = await bucket.update(key, encode(record), revision=held.revision)
        except WrongSequence:
            await self._bodies.remove(record)
            raise
        if before is not None:
            await self._bodies.remove(before)
        if record.blob and key not in self._swept:
            self._swept.add(key)
            await self._bodies.sweep(key, record)
        return _Held(held.live, record, revision, len(body))

    async def _newest(self, key: str) -> _Held[L]:
        """Returns the newest state, from memory when it is that one."""
        lacking = 0
        while True:
            entry = await self._cells.get(key)
            held = self._held.get(key)
            revision = entry.revision if entry else 0
            if held is not None and held.revision == revision:
                return held
            record = decode(entry.value, LearnerState) if entry else None
            try:
                body = await self._bodies.get(record) if record else None
            except (NotFound, BadPayload):
                if lacking == revision:
                    raise
                lacking = revision  # another replica has removed it for a newer one meanwhile
                continue
            live = await asyncio.to_thread(self._load, body)
            held = _Held(live, record, revision, len(body or b""))
            self._hold(key, held)
            return held

    def _hold(self, key: str, held: _Held[L]) -> None:
        self._held[key] = held
        self._held.move_to_end(key)
        size = sum(one.size for one in self._held.values())
        while len(self._held) > 1 and (len(self._held) > _IN_HAND or size > _BYTES_IN_HAND):
            size -= self._held.popitem(last=False)[1].size

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def _key(self, name: str) -> str:
        return self._cells.key(LEARNER_STATE, kind=self._kind, name=name)
