"""One graph at work: its tasks are submitted, waited for, stopped and undone.

It is an ordinary durable handler. What it decides follows from the graph and from the ends of the
children, which are in the journal; what does not, such as where a group's task goes, is a step.
"""

import asyncio
import zlib
from collections import Counter
from datetime import timedelta
from typing import Any, Final, NoReturn

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.graphs.progress import Done, Job, Progress
from pepperpy_bus.graphs.graph import TOPIC
from pepperpy_bus.graphs.picture import LARGEST_SHAPE, shape_of
from pepperpy_bus.graphs.plan import Node, Plan
from pepperpy_bus.routing import pick
from pepperpy_bus.submission import SubmitOptions
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import (
    BadGraph,
    DeadlineExceeded,
    ErrorInfo,
    GraphFailed,
    HandlerError,
    PepperError,
    error_from_info,
)
from pepperpy_schemas.graphs import OnFailure
from pepperpy_schemas.messages import Instant, Result

GRACE: Final = 5.0
"""Seconds after a task's deadline in which its worker may still say how it ended."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a job goes and until when, as far as the graph itself does not say.

    Attributes:
        topic: Its topic, or empty when nobody of its group is up.
        deadline: When its result must be there, or None.
        error: Why it goes nowhere.
    """

    topic: str = ""
    deadline: Instant | None = None
    error: ErrorInfo | None = None


class _Running(msgspec.Struct, frozen=True):
    job: Job
    place: Place


class Orchestration:
    """Runs one graph, in one attempt at its task.

    Args:
        plan: The graph.
        ctx: The task's context.
    """

    def __init__(self, plan: Plan, ctx: Context) -> None:
        self._plan = plan
        self._ctx = ctx
        self._progress = Progress(plan)
        self._running: dict[str, _Running] = {}
        self._turns: Counter[str] = Counter()
        self._places = 0
        self._stopped = False

    async def run(self) -> Any:
        """Returns what the graph returns.

        Raises:
            GraphFailed: A node failed; the cause is its error.
        """
        progress = self._progress
        small = len(self._plan.nodes) <= LARGEST_SHAPE
        await self._tell("started", nodes=shape_of(self._plan) if small else {})
        while True:
            if jobs := progress.next_jobs():
                await self._start(jobs)
            elif self._running:
                if progress.failure is not None:
                    await self._stop()
                await self._wait()
            await self._tell_news()
            if not self._running and progress.over:
                return await self._end()

    # --- start ----------------------------------------------------------------------------------

    async def _start(self, jobs: list[Job]) -> None:
        places = await self._place(jobs)
        going = [(job, at) for job, at in zip(jobs, places, strict=True) if at.error is None]
        for job, at in zip(jobs, places, strict=True):
            if at.error is not None:
                self._progress.ended(job, error=at.error)
        # Together, so that they share lines of the journal; their places are in this order.
        submitting = (self._submit(job, at) for job, at in going)
        ids = await asyncio.gather(*submitting, return_exceptions=True)
        for (job, at), one in zip(going, ids, strict=True):
            if isinstance(one, BaseException):
                raise one
            self._running[one] = _Running(job, at)
            await self._tell("node_started", job, task=one, topic=at.topic)

    async def _submit(self, job: Job, at: Place) -> str:
        node = self._plan.nodes[job.node]
        options = SubmitOptions(priority=node.spec.priority)
        if job.key:
            options["key"] = job.key
        if node.timeout is not None:
            options["timeout"] = self._within_own(node.timeout)
        body = job.body
        if node.spec.graph is not None:
            body = msgspec.structs.replace(node.spec.graph, input=job.body)
        return await self._ctx.submit(at.topic, body, **options)

    def _within_own(self, seconds: float) -> float:
        """A node's time, or what is left of the graph's own when that is less."""
        if self._ctx.deadline is None:
            return seconds
        return max(0.001, min(seconds, (self._ctx.deadline - self._ctx.now).total_seconds()))

    async def _place(self, jobs: list[Job]) -> list[Place]:
        """Returns where jobs go; what chance and time decide is decided once, in a step."""
        nodes = [self._plan.nodes[job.node] for job in jobs]
        if not any(node.spec.group or node.timeout is not None for node in nodes):
            return [Place(_topic(node)) for node in nodes]
        self._places += 1
        turns = [self._turn(node) for node in nodes]
        name = f"place {self._places}"
        places: list[Place] = await self._ctx.step(
            name, self._choose, nodes, turns, type=list[Place]
        )
        return places

    def _turn(self, node: Node) -> int:
        group = node.spec.group
        if not group:
            return 0
        self._turns[group] += 1
        # Many graphs of one group do not all begin with the same member.
        return zlib.crc32(self._ctx.task_id.encode()) + self._turns[group]

    async def _choose(self, nodes: list[Node], turns: list[int]) -> list[Place]:
        sent = Counter(one.place.topic for one in self._running.values())
        places = []
        for node, turn in zip(nodes, turns, strict=True):
            try:
                topic = await self._route(node, turn, sent)
            except PepperError as error:
                if error.category == "bus" and not error.code == "unavailable":
                    raise
                places.append(Place(error=error.info()))
                continue
            sent[topic] += 1
            late = None
            if node.timeout is not None:
                late = self._ctx.now + timedelta(seconds=node.timeout + GRACE)
            places.append(Place(topic, late))
        return places

    async def _route(self, node: Node, turn: int, sent: Counter[str]) -> str:
        name = node.spec.group
        if not name:
            return _topic(node)
        group = self._plan.spec.groups[name]
        return await pick(self._ctx.registry, name, group, turn=turn, sent=sent)

    # --- wait -----------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Takes the next ends of children, or gives up those that are overdue."""
        ends = [one.place.deadline for one in self._running.values() if one.place.deadline]
        first = min(ends, default=None)
        left = None if first is None else max(0.0, (first - self._ctx.now).total_seconds())
        ended = await self._ctx.first(*self._running, timeout=left)
        for task_id, result in ended.items():
            job = self._running.pop(task_id).job
            data, error = _read(task_id, result)
            self._progress.ended(job, data, error)
            if job.index >= 0:
                verb = "element_completed" if error is None else "element_failed"
                await self._tell(verb, job, task=task_id)
        if not ended:
            await self._give_up([k for k, v in self._running.items() if v.place.deadline == first])

    async def _give_up(self, overdue: list[str]) -> None:
        """Waits no longer for tasks whose time is over; a later result counts no more."""
        await self._ctx.step("overdue", self._cancel, overdue, "its time in the graph is over")
        for task_id in overdue:
            job = self._running.pop(task_id).job
            late = DeadlineExceeded(f"node {job.node}: no result of task {task_id} came in time")
            self._progress.ended(job, error=late.info())

    async def _stop(self) -> None:
        """Cancels what still runs of a graph that has failed, once."""
        if not self._stopped:
            self._stopped = True
            reason = f"graph {self._plan.spec.name} has failed"
            await self._ctx.step("stop", self._cancel, list(self._running), reason)

    async def _cancel(self, task_ids: list[str], reason: str) -> None:
        for task_id in task_ids:
            await self._ctx.cancel(task_id, reason=reason)

    # --- end ------------------------------------------------------------------------------------

    async def _end(self) -> Any:
        if self._progress.failure is not None:
            node, info = self._progress.failure
            policy = self._plan.nodes[node].spec.on_failure
            await self._fail(f"node {node} failed", error_from_info(info), policy, node=node)
        try:
            output = self._progress.fill_output()
        except BadGraph as error:
            await self._fail("its output is not there", error, "compensate")
        await self._tell("completed")
        return output

    async def _fail(
        self, what: str, cause: PepperError, policy: OnFailure, **context: str
    ) -> NoReturn:
        name = self._plan.spec.name
        told: dict[str, Any] = {"graph": name, **context, **await self._undo_all(policy)}
        failed = GraphFailed(f"graph {name}: {what}: {cause}", context=told)
        await self._tell("failed", None, **told, code=cause.code, message=str(failed))
        raise failed from cause

    async def _undo_all(self, policy: OnFailure) -> dict[str, list[str]]:
        """Undoes what has completed, the last first; one that fails holds up no other."""
        undone: dict[str, list[str]] = {}
        if policy == "fail":
            return undone
        for done in reversed(self._progress.done):
            node = self._plan.nodes[done.job.node]
            if node.undo is None:
                continue
            error = await self._undo(node, done)
            where = "compensated" if error is None else "not_compensated"
            label = _label(done.job)
            undone.setdefault(where, []).append(label)
            more = {} if error is None else {"code": error.code, "message": error.message}
            await self._tell(f"node_{where}", done.job, **more)
        return undone

    async def _undo(self, node: Node, done: Done) -> ErrorInfo | None:
        assert node.undo is not None, "the caller has looked"
        topic, template = node.undo
        try:
            body = template.fill(self._progress.element_scope(done.job))
        except BadGraph as error:
            return error.info()
        if body is None:
            body = {"input": done.job.body, "result": done.result}
        task_id = await self._ctx.submit(topic, body)
        ended = await self._ctx.first(task_id)
        return _read(task_id, ended[task_id])[1]

    # --- tell -----------------------------------------------------------------------------------

    async def _tell_news(self) -> None:
        for name in self._progress.news():
            state = self._progress.states[name]
            error = self._progress.scope[name]["error"]
            more = {} if error is None else {"code": error["code"], "message": error["message"]}
            await self._tell(f"node_{state}", Job(name, -1, None), **more)

    async def _tell(self, verb: str, job: Job | None = None, **data: Any) -> None:
        """Tells what happened, unless an earlier attempt has."""
        if self._ctx.replaying:
            return
        name = self._plan.spec.name
        if job is not None:
            data = {"node": job.node, **({"index": job.index} if job.index >= 0 else {}), **data}
        label = "" if job is None else _label(job)
        await self._ctx.emit(
            f"graph.{verb}", scope=name, event_id=f"{self._ctx.task_id}:{verb}:{label}", **data
        )


def _topic(node: Node) -> str:
    return node.spec.topic or TOPIC


def _label(job: Job) -> str:
    return job.node if job.index < 0 else f"{job.node}[{job.index}]"


def _read(task_id: str, result: Result) -> tuple[Any, ErrorInfo | None]:
    if result.ok:
        return decode(bytes(result.data), Any), None
    silent = HandlerError(f"task {task_id} failed and did not say why")
    return None, result.error or silent.info()
