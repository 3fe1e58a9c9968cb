"""One attempt at a task, and the closed set of ways in which it can come out."""

from typing import TypeAlias

import msgspec

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.durable.replay import Replay
from pepperpy_agents.task import Task
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.waits import Over
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.messages import CancelRequest, WaitEntry


class Completed(msgspec.Struct, frozen=True):
    """The handler returned."""

    data: bytes


class Failed(msgspec.Struct, frozen=True):
    """The task is given up, with its last error."""

    error: ErrorInfo


class Repeat(msgspec.Struct, frozen=True):
    """The attempt failed and is repeated after a wait."""

    error: ErrorInfo
    wait: float
    failures: int


class Parked(msgspec.Struct, frozen=True):
    """The task waits, and what it goes on with is another delivery; None when it waits no more."""

    wait: WaitEntry | None


class Stopped(msgspec.Struct, frozen=True):
    """Somebody canceled the task while it ran."""

    request: CancelRequest


class Released(msgspec.Struct, frozen=True):
    """The worker is stopping and gives the delivery back; it is no attempt."""


class Superseded(msgspec.Struct, frozen=True):
    """The task has a result already."""


class Lost(msgspec.Struct, frozen=True):
    """Another worker has claimed the task; this one must not touch it any more."""


Outcome: TypeAlias = Completed | Failed | Repeat | Parked | Stopped | Released | Superseded | Lost


class Attempt(msgspec.Struct):
    """One attempt while it runs.

    Attributes:
        task: The task.
        spec: What the agent does with it.
        number: Which attempt it is, from 1; 0 until that is known.
        journal: The task's journal, when it was read.
        began: Monotonic time of the start.
        over: How the wait ended that the attempt goes on from, or None.
        replay: Its way through the journal, once its handler runs.
        canceled: Who wants the task to end, and why; None while nobody does.
        woken: Whether it runs on a wake of the task, and not on the task's own message.
    """

    task: Task
    spec: TaskSpec
    number: int = 0
    journal: Journal | None = None
    began: float = 0.0
    over: Over | None = None
    replay: Replay | None = None
    canceled: CancelRequest | None = None
    woken: bool = False

    @property
    def parked(self) -> Parked | None:
        """The wait that ended the attempt, whatever its handler made of being left."""
        replay = self.replay
        return None if replay is None or replay.suspended is None else Parked(replay.suspended)
