"""What is known of a task, put in order: attempts, steps, waits, children, cost, and its end."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec

from pepperpy_bus.trace import TraceContext
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.states import TaskState

AttemptEnd = Literal["completed", "failed", "canceled", "rejected", "suspended", "lost", ""]
"""How an attempt ended; ``lost``: its worker died or gave it back; empty while it runs."""


class ToldAttempt(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One attempt.

    Attributes:
        number: Its number, from 1.
        instance: The worker's instance, ``agent/instance``; empty when nothing tells it.
        started: When it started.
        ended: When it ended.
        end: How.
        error: What it failed with.
        again_after: Seconds until it was repeated, or None when it was not.
    """

    number: int
    instance: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    end: AttemptEnd = ""
    error: ErrorInfo | None = None
    again_after: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran; None while it runs, or when that is not known."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, (self.ended - self.started).total_seconds())


class ToldStep(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A finished step.

    Attributes:
        n: Its place.
        name: Its name.
        attempt: The attempt that did it.
        ts: When it was finished.
        ms: Milliseconds that it took.
        size: Bytes of its result.
        copied: Whether another task did it, which this one repeats from a later step on.
    """

    n: int
    name: str
    attempt: int
    ts: datetime
    ms: float
    size: int
    copied: bool = False


class ToldWait(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A wait: for an answer, for children, or for a time.

    Attributes:
        n: Its place.
        what: What for.
        attempt: The attempt that came to it.
        began: When it began.
        ended: When it ended; None while it lasts.
        how: By an answer, the ends of children, or the deadline; empty while it lasts.
        question: Number of the question, or 0.
        text: The question.
        choices: The answers that are allowed.
        children: Ids of the children.
        deadline: When it ends at the latest.
        answer: The answer.
        by: Who says to have answered.
        copied: Whether it was another task's, which this one repeats from a later step on.
    """

    n: int
    what: Literal["answer", "children", "time"]
    attempt: int
    began: datetime
    ended: datetime | None = None
    how: str = ""
    question: int = 0
    text: str = ""
    choices: list[Any] = []
    children: list[str] = []
    deadline: datetime | None = None
    answer: Any = None
    by: str = ""
    copied: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it lasted; None while it lasts."""
        return None if self.ended is None else (self.ended - self.began).total_seconds()


class ToldChild(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A task that this one submitted.

    Attributes:
        n: Its place.
        topic: Its topic.
        id: Its id.
        ts: When it was written down.
        attempt: The attempt that submitted it, or 0.
        state: Its state; None when nothing is known of it any more.
        explanation: Its own explanation, when it was asked for.
    """

    n: int
    topic: str
    id: str
    ts: datetime
    attempt: int = 0
    state: TaskState | None = None
    explanation: "Explanation | None" = None


class Happening(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something else that happened to the task: progress, a reminder, an event of its handler's.

    Attributes:
        ts: When.
        name: Entity and verb: ``task.progress``.
        attempt: The attempt, or 0.
        data: The event's values.
        event_id: The event's id.
        trace: The ``traceparent`` of what it happened in, or empty.
    """

    ts: datetime
    name: str
    attempt: int = 0
    data: dict[str, Any] = {}
    event_id: str = ""
    trace: str = ""


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The story of a task, as far as the broker still knows it.

    Attributes:
        id: The task.
        state: Where it is in its life.
        topic: Its topic; empty when nothing tells it.
        submitted: When the broker received it.
        source: Who says to have sent it.
        due: When a scheduled task is submitted next.
        deadline: When it must have ended.
        parent: The task that submitted it.
        root: The first task of the family.
        replay_of: The task that it repeats.
        from_step: The first place that it did itself, when it repeats another from there.
        key: Its key.
        priority: ``normal`` or ``high``.
        attempts: Its attempts.
        steps: Its finished steps.
        waits: Its waits.
        children: The tasks that it submitted.
        happenings: What else its events tell.
        cost: What it has spent, by unit: of its budget's ledger, else what its events say.
        ended: When it ended.
        data: What it returned.
        error: What it failed with.
        letter: Number of its dead letter, or 0.
        trace: Its trace, and the span that it was sent from.
    """

    id: str
    state: TaskState
    topic: str = ""
    submitted: datetime | None = None
    source: str = ""
    due: datetime | None = None
    deadline: datetime | None = None
    parent: str = ""
    root: str = ""
    replay_of: str = ""
    from_step: int = 0
    key: str = ""
    priority: str = "normal"
    attempts: list[ToldAttempt] = []
    steps: list[ToldStep] = []
    waits: list[ToldWait] = []
    children: list[ToldChild] = []
    happenings: list[Happening] = []
    cost: dict[str, float] = {}
    ended: datetime | None = None
    data: Any = None
    error: ErrorInfo | None = None
    letter: int = 0
    trace: TraceContext | None = None

    @property
    def began(self) -> datetime | None:
        """The first moment that is known of it."""
        return next((moment.at for moment in self.timeline()), self.submitted)

    @property
    def seconds(self) -> float | None:
        """From its submission, or the first that is known of it, to its end."""
        if self.ended is None or self.began is None:
            return None
        return max(0.0, (self.ended - self.began).total_seconds())

    def timeline(self) -> list["Moment"]:
        """Returns everything with a time, in order; nothing before the submission."""
        first = self.submitted
        moments = (
            one
            if first is None or one.at >= first
            # What another task did stands at the beginning of the one that took it over; and the
            # clocks of workers differ from the server's.
            else Moment(first, one.rank, one.what, one.of)
            for one in self._moments()
        )
        return sorted(moments, key=lambda moment: (moment.at, moment.rank))

    def _moments(self) -> Iterator["Moment"]:
        if self.submitted is not None:
            yield Moment(self.submitted, 0, "submitted", self)
        for attempt in self.attempts:
            if attempt.started is not None:
                yield Moment(attempt.started, 1, "started", attempt)
            if attempt.ended is not None:
                yield Moment(attempt.ended, 7, "attempt_ended", attempt)
        for step in self.steps:
            yield Moment(step.ts, 2, "step", step)
        for child in self.children:
            yield Moment(child.ts, 3, "child", child)
        for wait in self.waits:
            yield Moment(wait.began, 4, "waits", wait)
            if wait.ended is not None and not wait.copied:
                yield Moment(wait.ended, 5, "waited", wait)
        for happening in self.happenings:
            yield Moment(happening.ts, 6, "happened", happening)
        if self.ended is not None:
            yield Moment(self.ended, 8, "ended", self)


Told = ToldAttempt | ToldStep | ToldWait | ToldChild | Happening | Explanation


class Moment(msgspec.Struct, frozen=True):
    """One line of a timeline.

    Attributes:
        at: When.
        rank: What comes first of the same time.
        what: What it is.
        of: What it is told of.
    """

    at: datetime
    rank: int
    what: Literal[
        "submitted", "started", "step", "child", "waits", "waited", "happened", "attempt_ended",
        "ended",
    ]  # fmt: skip
    of: Told
