"""One task as it is kept, and what each fact makes of it.

Facts come in any order, and some twice: events of several lanes, results and dead letters of other
streams, history beside what happens now. So every rule here is one that does not ask what came
first. Of two facts of one kind the one with the higher number in its stream counts, and of two
kinds the more certain: a result is the truth, then a dead letter, then the event that tells an end.
A task that has ended stays ended.
"""

from typing import Final

import msgspec

from pepperpy_schemas.states import TaskState

OPEN: Final = [state.value for state in TaskState if not state.terminal]
"""States of a task that has not ended."""
ENDS: Final = {state.verb: state.value for state in TaskState if state.terminal}
"""States by the verb of the event that tells them."""
FAILURES: Final = frozenset({TaskState.FAILED.value, TaskState.REJECTED.value})
"""What nobody wanted; a canceled task somebody did."""

_SUBMITTED: Final = TaskState.SUBMITTED.value
_WORKING: Final = TaskState.WORKING.value
_ASKING: Final = TaskState.INPUT_REQUIRED.value
_ENDED: Final = frozenset(ENDS.values())

RETRIED, TOLD, FILED, STORED = 1, 2, 3, 4
"""How certain it is how a task fares: an attempt failed, an event tells its end, it lies among the
dead letters, its result is stored."""


class Underway(msgspec.Struct, gc=False):
    """What is of interest while a task has not ended; times are seconds since 1970.

    Attributes:
        told: Number of the event that told how it is.
        waits: What it waits for, or empty.
        since: Since when.
        deadline: When the wait is over; 0 for never.
        children: Children that it waits for.
        question: Number of the open question.
        asks: Its text.
        progress: What share is done; -1 when it does not say.
        progressed: Number of the event that said so.
    """

    told: int = -1
    waits: str = ""
    since: float = 0.0
    deadline: float = 0.0
    children: int = 0
    question: int = 0
    asks: str = ""
    progress: float = -1.0
    progressed: int = -1


class Spent(msgspec.Struct, gc=False):
    """What a task's models and tools did for it."""

    calls: int = 0
    tools: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class Record(msgspec.Struct, gc=False):
    """A task; times are seconds since 1970 by the server's clock, 0 for none.

    Attributes:
        id: Its id.
        first: The earliest that is known of it.
        last: The latest.
        state: Where it is in its life.
        topic: Its topic.
        worker: Who has it, or had it last: ``agent/instance``.
        worker_seq: Number of the event that told so.
        attempt: The highest number of an attempt.
        retries: Failures that were repeated.
        high: Whether it has priority.
        source: Who says to have sent it.
        parent: The task that submitted it, or empty.
        root: The first task of its family; empty for that one itself.
        submitted: When it was stored.
        started: When its first attempt began.
        ended: When its end was stored.
        queued_ms: How long it waited for its first attempt; -1 when nobody said.
        ms: How long its last attempt took; -1 when nobody said.
        ms_seq: Number of the event that told so.
        certainty: Of what is known of its end or its last failure.
        fact: Number of that fact in its stream.
        code: The error's code.
        message: The error's message, cut.
        fingerprint: The group of that error.
        letter: Whether there is a dead letter.
        seq: The newest event.
        counted: What of it has been counted already: bits of `Counted`.
        underway: What is of interest until it ends.
        spent: What it spent; None for nothing.
        cost: Its size in bytes, estimated.
    """

    id: str
    first: float
    last: float
    state: str = _SUBMITTED
    topic: str = ""
    worker: str = ""
    worker_seq: int = -1
    attempt: int = 0
    retries: int = 0
    high: bool = False
    source: str = ""
    parent: str = ""
    root: str = ""
    submitted: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    queued_ms: float = -1.0
    ms: float = -1.0
    ms_seq: int = -1
    certainty: int = 0
    fact: int = -1
    code: str = ""
    message: str = ""
    fingerprint: str = ""
    letter: bool = False
    seq: int = 0
    counted: int = 0
    underway: Underway | None = None
    spent: Spent | None = None
    cost: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state not in _ENDED

    @property
    def agent(self) -> str:
        """The agent that has it, or had it last; empty while nobody did."""
        return self.worker.partition("/")[0]

    def begun(self, seq: int, at: float) -> None:
        """An attempt begins, or goes on."""
        if not self.started or at < self.started:
            self.started = at
        self._fares(seq, _WORKING)

    def goes_on(self, seq: int) -> None:
        """Something was told of it by its worker: somebody works on it."""
        if seq > self.seq:
            self.seq = seq
        if self.state == _SUBMITTED:
            self.state = _WORKING

    def waits(
        self,
        seq: int,
        at: float,
        what: str,
        *,
        question: int = 0,
        asks: str = "",
        children: int = 0,
        deadline: float = 0.0,
    ) -> None:
        """It waits for an answer, children or a time, and holds no slot meanwhile."""
        way = self._fares(seq, _ASKING if what == "answer" else _WORKING)
        if way is not None:
            way.waits, way.since, way.deadline = what, at, deadline
            way.question, way.asks, way.children = question, asks, children

    def progressed(self, seq: int, share: float) -> None:
        """Its handler says what share is done."""
        self.goes_on(seq)
        if self.state not in _ENDED:
            way = self._way()
            if seq > way.progressed:
                way.progress, way.progressed = share, seq

    def held_by(self, seq: int, worker: str) -> None:
        """An instance of an agent has it."""
        if seq > self.worker_seq:
            self.worker, self.worker_seq = worker, seq

    def took(self, seq: int, ms: float) -> None:
        """The attempt that ended it took so long."""
        if seq > self.ms_seq:
            self.ms, self.ms_seq = ms, seq

    def failed(self, seq: int, code: str, message: str, fingerprint: str) -> bool:
        """An attempt failed and is repeated; returns whether nothing more certain is known."""
        self._fares(seq, _WORKING)
        if (RETRIED, seq) <= (self.certainty, self.fact):
            return False
        self.certainty, self.fact = RETRIED, seq
        self.code, self.message, self.fingerprint = code, message, fingerprint
        return True

    def over(
        self,
        certainty: int,
        seq: int,
        at: float,
        state: str,
        code: str = "",
        message: str = "",
        fingerprint: str = "",
    ) -> bool:
        """It has ended, as an event, a dead letter or its result tells.

        Returns:
            Whether nothing more certain, or newer, was known.
        """
        known = self.certainty
        if certainty < known or (certainty == known and seq <= self.fact):
            return False
        self.certainty, self.fact = certainty, seq
        self.state, self.ended = state, at
        self.code, self.message, self.fingerprint = code, message, fingerprint
        self.underway = None
        return True

    def _fares(self, seq: int, state: str) -> Underway | None:
        """Goes to a state of a task that has not ended, unless a newer event told another."""
        if seq > self.seq:
            self.seq = seq
        if self.state in _ENDED:
            return None
        way = self._way()
        if seq <= way.told:
            return None
        way.told, way.waits, self.state = seq, "", state
        way.question, way.asks, way.children, way.deadline = 0, "", 0, 0.0
        return way

    def _way(self) -> Underway:
        if self.underway is None:
            self.underway = Underway()
        return self.underway
