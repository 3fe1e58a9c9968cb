"""A shadow: another version of an agent is given what the live one is given, and is compared.

It begins with a task when the live version has ended it, because then the journal tells what the
task's steps, children and questions came to.
"""

import asyncio
import contextlib
import time
from typing import Any, Final, Self

from pepperpy_agents.agent import Agent, TaskSpec
from pepperpy_agents.attempt import Completed, Failed
from pepperpy_agents.runner import Runner
from pepperpy_agents.shadowing.comparison import Comparison, Summary, Tally
from pepperpy_agents.shadowing.context import Diverged, ShadowContext
from pepperpy_agents.shadowing.differences import differences
from pepperpy_agents.shadowing.hearing import LiveInput, hearing, id_of
from pepperpy_agents.shadowing.running import shadow_outcome
from pepperpy_bus.client import Client
from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.reading import last_on
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.results import Ended
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import (
    BadConfig,
    PepperError,
    Unreachable,
)
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.shadow")

AT_ONCE: Final = 16
"""Tasks that a shadow does at once."""
WAITING: Final = 512
"""Tasks whose live end it waits for at once; more are missed."""
PATIENCE: Final = 600.0
"""Seconds that it waits for a task's live end."""

_THREADS: Final = 16
_EVENT_WITHIN: Final = 0.3


class Shadow:
    """Another version of an agent beside the live one, while its context is open.

    Args:
        client: The client; a worker's or an operator's.
        agent: The other version.
        topic: The topic.
        sample: The share of the tasks that is looked at, from 0 to 1.
        timeout: Seconds that the handler may take; by default what the agent says.
        patience: Seconds to wait for a task's live end.
        does_steps: Do the steps that the live task did not: they may have effects.

    Raises:
        BadConfig: The agent has no task of this topic.
    """

    def __init__(
        self,
        client: Client,
        agent: Agent,
        topic: str,
        *,
        sample: float = 1.0,
        timeout: float | None = None,
        patience: float = PATIENCE,
        does_steps: bool = False,
    ) -> None:
        if topic not in agent.tasks:
            topics = ", ".join(sorted(agent.tasks)) or "none"
            raise BadConfig(f"agent {agent.name} has no task {topic!r}", hint=f"it has: {topics}")
        self._client = client
        self._agent = agent
        self._spec: TaskSpec = agent.tasks[topic]
        self._sample = sample
        self._timeout = self._spec.timeout if timeout is None else timeout
        self._patience = patience
        self._does_steps = does_steps
        self._runner = Runner(_THREADS)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._busy: set[str] = set()
        self._done: asyncio.Queue[Comparison | None] = asyncio.Queue()
        self._tally = Tally()
        self._group = TaskGroup("shadow", limit=WAITING, on_crash=self._crashed)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._runner.close)
            stack.push_async_callback(_run_all, self._agent.stop_hooks)
            await _run_all(self._agent.start_hooks)
            stack.push_async_callback(self._group.cancel)
            closing = self._client.connection.on_close
            closing.append(self._closed)
            stack.callback(closing.remove, self._closed)
            await stack.enter_async_context(hearing(self._client, self._spec.topic, self._take))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def next(self) -> Comparison:
        """Returns the next comparison, waiting for it as long as needed.

        Raises:
            Unreachable: The broker closed the connection for good.
        """
        one = await self._done.get()
        if one is None:
            raise Unreachable("the broker closed the connection for good")
        self._tally.add(one)
        return one

    @property
    def waiting(self) -> int:
        """How many tasks it waits for or does now."""
        return len(self._busy)

    def summary(self) -> Summary:
        """Returns what came of it so far."""
        return self._tally.summary()

    # --- one task -------------------------------------------------------------------------------

    def _take(self, live: LiveInput) -> None:
        if not live.sampled(self._sample) or (live.id and live.id in self._busy):
            return
        if self._group.try_spawn(lambda: self._compare(live), name=live.id or "bare") is None:
            self._tally.missed += 1

    def _crashed(self, name: str, error: BaseException) -> None:
        task_id = name.partition(":")[2]
        self._done.put_nowait(_skipped(task_id, f"{type(error).__name__}: {error}"))

    def _closed(self) -> None:
        self._done.put_nowait(None)

    async def _compare(self, live: LiveInput) -> None:
        task_id = await id_of(self._client, live)
        if not task_id:
            why = "it has no id of its own, and left the queue before that could be seen"
            self._done.put_nowait(_skipped("", why))
            return
        self._busy.add(task_id)
        try:
            comparison = await self._with_live_end(live, task_id)
        finally:
            self._busy.discard(task_id)
        self._done.put_nowait(comparison)

    async def _with_live_end(self, live: LiveInput, task_id: str) -> Comparison:
        try:
            ended = await self._client.ended(task_id, wait=self._patience)
        except TimeoutError:
            return _skipped(task_id, f"it had not ended after {self._patience:g} s")
        error = ended.result.error
        if ended.result.state is TaskState.CANCELED or (error and error.category == "control"):
            return _skipped(task_id, f"it was ended from outside: {ended.result.state}")
        journal = Journal(self._client.connection, self._client.prefix, task_id, "")
        await journal.read()
        async with self._slots:
            return await self._beside(live, ended, journal.history)

    async def _beside(self, live: LiveInput, ended: Ended, history: History) -> Comparison:
        bound = log.bind(task_id=ended.id, topic=live.topic)
        context = ShadowContext(
            live,
            ended.id,
            max(ended.attempt, 1),
            history,
            self._client,
            self._runner,
            bound,
            does_steps=self._does_steps,
        )
        began = time.perf_counter()
        try:
            outcome = await shadow_outcome(
                self._client, self._runner, self._spec, live, context, self._timeout
            )
        except Diverged as error:
            why = f"the shadow came to {error}"
            return Comparison(task_id=ended.id, verdict="diverged", live=_how(ended), reason=why)
        ms = round((time.perf_counter() - began) * 1e3 + context.given_ms, 3)
        quick = ended.attempt == 1 and not history.waits
        found = differences(_of_live(ended), _of_shadow(outcome))
        return Comparison(
            task_id=ended.id,
            verdict="different" if found else "equal",
            live=_how(ended),
            shadow="completed" if isinstance(outcome, Completed) else outcome.error.code,
            differences=found,
            live_ms=await self._live_ms(ended) if quick else None,
            shadow_ms=ms,
        )

    async def _live_ms(self, ended: Ended) -> float | None:
        """How long the live version took, as its last event tells a moment after the result."""
        stream = stream_name(self._client.prefix, "EVENTS")
        verb, topic = ended.result.state.verb, self._spec.topic
        subject = EVENT.of(self._client.prefix, entity="task", verb=verb, scope=topic, id=ended.id)
        end = time.monotonic() + _EVENT_WITHIN
        while (last := await last_on(self._client.connection, stream, subject)) is None:
            if time.monotonic() > end:
                return None
            await asyncio.sleep(_EVENT_WITHIN / 5)
        try:
            told = EVENT.decode(last.body).data.get("duration_ms")
        except PepperError:
            return None
        return told if isinstance(told, int | float) else None


async def _run_all(hooks: Any) -> None:
    for hook in hooks:
        done = hook()
        if done is not None:
            await done


def _skipped(task_id: str, reason: str) -> Comparison:
    return Comparison(task_id=task_id, verdict="skipped", reason=reason)


def _how(ended: Ended) -> str:
    error = ended.result.error
    return error.code if error is not None else str(ended.result.state)


def _of_live(ended: Ended) -> Any:
    result = ended.result
    if result.ok:
        return {"data": decode(bytes(result.data), Any)}
    error = result.error
    return {"error": {"code": error.code, "message": error.message} if error else {}}


def _of_shadow(outcome: Completed | Failed) -> Any:
    if isinstance(outcome, Completed):
        return {"data": decode(outcome.data, Any)}
    return {"error": {"code": outcome.error.code, "message": outcome.error.message}}
