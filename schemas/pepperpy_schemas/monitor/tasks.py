"""Tasks as lists show them, which of them are wanted, and a page of them."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count, Instant

TaskStateName: TypeAlias = Literal[
    "submitted", "working", "input-required", "completed", "failed", "canceled", "rejected"
]


class TaskRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task as lists show it.

    Attributes:
        id: Its id.
        topic: Its topic, without the lane.
        state: Where it is in its life.
        agent: The agent that has it, or had it last.
        instance: That agent's instance.
        attempt: The attempt that runs, or ended it; 0 before the first.
        high: Whether it has priority.
        source: Who says to have sent it.
        parent: Id of the task that submitted it.
        root: Id of the first task of its family; its own without one.
        submitted: When the server stored it.
        started: When its first attempt began.
        ended: When its end was stored.
        queued_ms: How long it waited for its first attempt.
        ms: How long its worker had the last delivery in hand, by the worker's clock: preparing it,
            the handler, and storing the result.
        whole_ms: From its submission to its end, whatever it waited for.
        code: The error's code, of its end or of its last attempt.
        message: What the error says, shortened.
        fingerprint: The group of errors it belongs to (`ErrorGroup`).
        waits: What a suspended task waits for: ``answer``, ``children``, ``time``.
        question: Number of the question that is open, or 0.
        asks: The text of that question, shortened.
        progress: What share is done, from 0 to 1, as its handler said.
        retries: Attempts that failed and were repeated.
        letter: Whether it lies among the dead letters.
        calls: Requests to models.
        tools: Calls of tools.
        input_tokens: Tokens that models read for it.
        output_tokens: Tokens that models wrote for it.
        usd: What its models cost, as far as prices are known.
        children: Tasks that are known to be submitted by it.
        seq: The newest event of it, as its number in the stream of events.
    """

    id: str
    topic: str
    state: TaskStateName
    agent: str = ""
    instance: str = ""
    attempt: Count = 0
    high: bool = False
    source: str = ""
    parent: str = ""
    root: str = ""
    submitted: Instant | None = None
    started: Instant | None = None
    ended: Instant | None = None
    queued_ms: float | None = None
    ms: float | None = None
    whole_ms: float | None = None
    code: str = ""
    message: str = ""
    fingerprint: str = ""
    waits: str = ""
    question: Count = 0
    asks: str = ""
    progress: float | None = None
    retries: Count = 0
    letter: bool = False
    calls: Count = 0
    tools: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    usd: float = 0.0
    children: Count = 0
    seq: Count = 0


class TaskQuery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which tasks are wanted; an empty field asks for nothing.

    Attributes:
        state: One of these states.
        topic: This topic; ``orders*`` all that begin so.
        agent: This agent, or one of its instances as ``agent/instance``.
        code: This code of an error.
        fingerprint: This group of errors.
        source: Who says to have sent it.
        root: This family.
        parent: Submitted by this task.
        text: In id, topic, agent, source, code or message, in any case.
        since: Touched at this time or later.
        until: Touched before.
        limit: Most rows of a page.
        cursor: ``next`` of the page before.
    """

    state: list[TaskStateName] = []
    topic: str = ""
    agent: str = ""
    code: str = ""
    fingerprint: str = ""
    source: str = ""
    root: str = ""
    parent: str = ""
    text: str = ""
    since: Instant | None = None
    until: Instant | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    cursor: str = ""


class TaskPage(msgspec.Struct, frozen=True):
    """Some of the tasks that were asked for, the ones that came last first.

    Attributes:
        items: The tasks.
        next: Asks for the page after this one; null after the last.
        total: How many there are on all pages now.
        by_state: How many of these are in which state.
    """

    items: list[TaskRow]
    next: str | None
    total: Count
    by_state: dict[str, int] = {}
