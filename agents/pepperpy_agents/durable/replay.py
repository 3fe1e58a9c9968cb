"""Replay: an attempt's way through what earlier ones have written in the task's journal.

Every step, wait and child takes the next place, in the order of the calls. What stands at a place
already is given back without being done again; what does not is done and written. Code that comes
by another way than the journal says is stopped, with the name of the place.
"""

import asyncio
import collections
import contextlib
import contextvars
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

import msgspec

from pepperpy_agents.task import Task
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import to_datetime
from pepperpy_bus.tasks.history import History, Place
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.errors import BadConfig, Fenced, JournalMismatch
from pepperpy_schemas.headers import BLOB
from pepperpy_schemas.messages import Child, InputEntry, StepEntry, WaitEntry

log = get_log("pepperpy.worker")

P = TypeVar("P", bound=Place)
OpenJournal = Callable[[], Awaitable[Journal]]

_WHAT: Final[dict[type, str]] = {StepEntry: "step", Child: "child", WaitEntry: "wait"}


_TURNS: Final = 8
"""Rounds of the event loop in which the end of a step reaches the code that waits for it."""
_PATIENCE: Final = 1000
"""Rounds after which the code has come by another way than the journal says."""
_within: contextvars.ContextVar["Replay | None"] = contextvars.ContextVar("within", default=None)


class Suspended(BaseException):
    """The task waits; its handler is left, and called again when the wait is over.

    It is no `Exception`, so that handlers do not take it for a failure.
    """

    def __init__(self, wait: WaitEntry) -> None:
        super().__init__(f"waits at place {wait.n}")
        self.wait = wait


class Replay:
    """One attempt's way through the journal.

    Args:
        task: The task.
        attempt: The attempt's number.
        open_journal: Returns the attempt's journal, to write in.
        history: What earlier attempts have written; None for a first one, which has no earlier.

    Attributes:
        suspended: The wait that ended the attempt, or None.
        sent: The children that this attempt has submitted.
    """

    def __init__(
        self, task: Task, attempt: int, open_journal: OpenJournal, history: History | None
    ) -> None:
        self.task = task
        self.attempt = attempt
        self.history = history or History()
        self.suspended: WaitEntry | None = None
        self.sent: list[str] = []
        self._closed = False
        self._open_journal = open_journal
        self._opening: asyncio.Task[Journal] | None = None
        self._taken = 0
        self._busy = 0
        self._idle = asyncio.Event()
        self._order = collections.deque(self.history.done)

    def place(self) -> int:
        """Takes the next place.

        Raises:
            Suspended: The attempt has ended in a wait; this is a branch of it that went on.
            Fenced: The attempt was stopped; this is its thread, which goes on.
            BadConfig: A step's function has come here: with that step in the journal it would
                not be called again, and every later place would be another.
        """
        if _within.get() is self:
            raise BadConfig(
                "a step's function uses ctx.step, ctx.submit, ctx.ask or the like",
                hint="call it in the handler, before or after the step",
            )
        if self._closed and self.suspended is None:
            raise Fenced(f"attempt {self.attempt} at task {self.task.id} has ended")
        if self.suspended is not None:
            raise Suspended(self.suspended)
        self._taken += 1
        return self._taken

    @property
    def replaying(self) -> bool:
        """Whether something stands at the next place."""
        return self.history.at(self._taken + 1) is not None

    def find(self, n: int, kind: type[P], name: str) -> P | None:
        """Returns what stands at a place, or None when nothing does yet.

        Args:
            n: The place.
            kind: What the code has there.
            name: Its name there; a wait's is what it waits for.

        Raises:
            JournalMismatch: Something else stands there.
        """
        there = self.history.at(n)
        if there is None:
            return None
        if isinstance(there, kind) and _name(there) == name:
            return there
        raise JournalMismatch(
            f"at place {n} the journal of task {self.task.id} has {_called(there)}, "
            f"where the code has {_WHAT[kind]} {name!r}",
            context={"place": n, "journal": _called(there), "code": f"{_WHAT[kind]} {name}"},
        )

    async def turn(self, n: int) -> None:
        """Returns when it is the turn of what stands at a place to be given back.

        That is in the order in which it was written, and never at once: so branches of a handler
        that run at the same time take their places as they did before.
        """
        for _ in range(_PATIENCE):
            if not self._order or self._order[0] == n:
                break
            await asyncio.sleep(0)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while n in self._order:
            # What stands before it was waited for in vain.
            self._order.popleft()

    def finish(self) -> None:
        """Looks whether the code came to everything that the journal has.

        Raises:
            JournalMismatch: It did not; the message names the first that it left out.
        """
        last = self.history.last_place
        for n in range(self._taken + 1, last + 1):
            there = self.history.at(n)
            if there is not None:
                raise JournalMismatch(
                    f"the journal of task {self.task.id} has {_called(there)} at place {n}, "
                    "which the code did not come to",
                    context={"place": n, "journal": _called(there)},
                )

    def begin(self) -> "asyncio.Task[Journal]":
        """Begins to write the task's input into the journal, unless that was begun before."""
        if self._opening is None:
            name = f"journal-{self.task.id}"
            self._opening = asyncio.create_task(self._open(), name=name)
        return self._opening

    async def journal(self) -> Journal:
        """Returns the journal, the task's input written in it.

        Raises:
            Fenced: Another worker has the task.
        """
        try:
            return await asyncio.shield(self.begin())
        except Exception:
            self._opening = None
            raise

    @contextlib.contextmanager
    def doing(self, *, step: bool) -> Iterator[None]:
        """Marks that a branch of the handler is amid something that will be written."""
        self._busy += 1
        before = _within.set(self) if step else None
        try:
            yield
        finally:
            if before is not None:
                _within.reset(before)
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def quiet(self) -> None:
        """Returns when no branch is amid a step: what was begun is neither left nor done twice."""
        while self._busy:
            self._idle.clear()
            await self._idle.wait()
            for _ in range(_TURNS):
                # A branch hears of its step, and may begin another one.
                await asyncio.sleep(0)

    async def fail(self) -> None:
        """Takes no more places, and waits for the steps that other branches are amid."""
        self._closed = True
        await self.quiet()

    async def close(self) -> None:
        """Takes no more places, and waits until nothing more is written for the attempt."""
        self._closed = True
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)

    async def _open(self) -> Journal:
        journal = await self._open_journal()
        if journal.history.input is None:
            await journal.append(input_entry(self.task))
        self.history = journal.history
        return journal


def input_entry(task: Task) -> InputEntry:
    """Returns what a journal says of the task itself."""
    delivery = task.delivery
    # What a foreign client sends beside a reference need not be JSON.
    body = b"null" if BLOB.lower() in delivery.headers else delivery.body or b"null"
    return InputEntry(
        task.topic,
        msgspec.Raw(body),
        dict(delivery.headers),
        hashlib.sha256(body).hexdigest(),
        to_datetime(delivery.time_ns),
        task.key,
        task.order,
    )


def _name(there: Place) -> str:
    match there:
        case StepEntry():
            return there.name
        case Child():
            return there.topic
        case WaitEntry():
            return there.what


def _called(there: Place) -> str:
    return f"{_WHAT[type(there)]} {_name(there)!r}"
