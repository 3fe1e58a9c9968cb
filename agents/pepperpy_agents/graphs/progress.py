"""How far a graph is: what has ended and how, what may run next. It decides, and does nothing.

Given the same ends in the same order it decides the same, which is what replaying a journal needs.
"""

from collections import ChainMap, deque
from typing import Any, Final, Literal

import msgspec

from pepperpy_bus.graphs.plan import Node, Plan
from pepperpy_bus.graphs.references import INDEX, INPUT, ITEM, Scope
from pepperpy_schemas.errors import BadGraph, ErrorInfo

MAX_ELEMENTS: Final = 10_000
"""Elements of one node's list."""

NodeState = Literal["waiting", "running", "completed", "failed", "skipped"]


class Job(msgspec.Struct, frozen=True):
    """A task to be submitted: a node's, or one element's of it.

    Attributes:
        node: The node.
        index: The element's place, or -1 for the node itself.
        body: What it is given.
        item: The element.
        key: Its key, or empty.
    """

    node: str
    index: int
    body: Any
    item: Any = None
    key: str = ""


class Done(msgspec.Struct, frozen=True):
    """A job that completed, for what may have to undo it."""

    job: Job
    result: Any


class _Work(msgspec.Struct):
    """A node that runs."""

    jobs: deque[Job]
    left: int
    results: list[Any]
    running: int = 0
    error: ErrorInfo | None = None


class Progress:
    """The nodes of a graph while it runs.

    Args:
        plan: The graph.

    Attributes:
        states: Where each node is.
        done: Every job that completed, in the order in which it became known.
        failure: The node whose failure fails the graph, with its error; None while none has.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dependents = plan.dependents()
        self._waits = {name: len(node.needs) for name, node in plan.nodes.items()}
        self._ready = deque(name for name, count in self._waits.items() if count == 0)
        self._work: dict[str, _Work] = {}
        self._running = 0
        self.scope: dict[str, Any] = {INPUT: plan.spec.input}
        self.states: dict[str, NodeState] = dict.fromkeys(plan.nodes, "waiting")
        self.done: list[Done] = []
        self.failure: tuple[str, ErrorInfo] | None = None
        self._news: list[str] = []

    def next_jobs(self) -> list[Job]:
        """Returns the jobs that start now, within the bounds of the graph and of its nodes."""
        self._open_ready()
        return [] if self.failure is not None else self._startable()

    @property
    def over(self) -> bool:
        """Whether nothing more starts."""
        return self.failure is not None or not (self._ready or self._work)

    def ended(self, job: Job, data: Any = None, error: ErrorInfo | None = None) -> None:
        """Takes note of the end of a job."""
        work = self._work[job.node]
        work.running -= 1
        work.left -= 1
        self._running -= 1
        if error is None:
            work.results[max(job.index, 0)] = data
            self.done.append(Done(job, data))
        elif work.error is None:
            work.error = error
        goes_on = self._plan.nodes[job.node].spec.on_failure == "continue"
        if work.error is not None and not goes_on:
            # What of it has not started never will.
            work.left -= len(work.jobs)
            work.jobs.clear()
            self._fail(job.node, work.error)
        if work.left == 0:
            self._close(job.node, work)

    def fill_output(self) -> Any:
        """Returns what the graph returns.

        Raises:
            BadGraph: Its output refers to what is not there.
        """
        if self._plan.output is not None:
            return self._plan.output.fill(self.scope)
        return {name: self.scope[name]["result"] for name in self._plan.sinks}

    def news(self) -> list[str]:
        """Returns the nodes that have ended since the last call."""
        news, self._news = self._news, []
        return news

    def element_scope(self, job: Job) -> Scope:
        """Returns what references of one job see."""
        return self._with_element(job.index, job.item)

    # --- inside ---------------------------------------------------------------------------------

    def _open_ready(self) -> None:
        while self._ready and self.failure is None:
            node = self._plan.nodes[self._ready.popleft()]
            try:
                self._open(node)
            except BadGraph as error:
                self._end(node.name, None, BadGraph(f"node {node.name}: {error}").info())

    def _open(self, node: Node) -> None:
        if node.when is not None and not node.when(self.scope):
            self._end(node.name, None, None, state="skipped")
            return
        jobs = self._jobs(node)
        if not jobs:
            self._end(node.name, [], None)
            return
        results = [None] * len(jobs)
        self._work[node.name] = _Work(deque(jobs), len(jobs), results)

    def _jobs(self, node: Node) -> list[Job]:
        if node.each is None:
            return [self._job(node, -1, None)]
        items = node.each.fill(self.scope)
        if not isinstance(items, list):
            raise BadGraph(f"each: {msgspec.json.encode(items).decode():.60} is no list")
        if len(items) > MAX_ELEMENTS:
            raise BadGraph(f"each: the list has {len(items)} elements, {MAX_ELEMENTS} at most")
        return [self._job(node, index, item) for index, item in enumerate(items)]

    def _job(self, node: Node, index: int, item: Any) -> Job:
        scope = self._with_element(index, item)
        key = "" if node.key is None else str(node.key.fill(scope))
        return Job(node.name, index, node.input.fill(scope), item, key)

    def _with_element(self, index: int, item: Any) -> Scope:
        # The nodes are looked up behind it: copying them for each element would be quadratic.
        return self.scope if index < 0 else ChainMap({ITEM: item, INDEX: index}, self.scope)

    def _startable(self) -> list[Job]:
        jobs: list[Job] = []
        limit = self._plan.spec.parallel
        for name, work in self._work.items():
            own = self._plan.nodes[name].spec.parallel or limit
            while work.jobs and work.running < own and self._running < limit:
                jobs.append(work.jobs.popleft())
                self.states[name] = "running"
                work.running += 1
                self._running += 1
            if self._running >= limit:
                break
        return jobs

    def _close(self, name: str, work: _Work) -> None:
        del self._work[name]
        whole = self._plan.nodes[name].each is not None
        result = work.results if whole else work.results[0]
        self._end(name, result, work.error)

    def _end(
        self, name: str, result: Any, error: ErrorInfo | None, *, state: NodeState = "completed"
    ) -> None:
        self.states[name] = state if error is None else "failed"
        self._news.append(name)
        told = None if error is None else msgspec.to_builtins(error)
        self.scope[name] = {"result": result, "error": told, "state": self.states[name]}
        if error is not None and self._plan.nodes[name].spec.on_failure != "continue":
            self._fail(name, error)
        for dependent in self._dependents[name]:
            self._waits[dependent] -= 1
            if self._waits[dependent] == 0:
                self._ready.append(dependent)

    def _fail(self, name: str, error: ErrorInfo) -> None:
        if self.failure is None:
            self.failure = name, error
