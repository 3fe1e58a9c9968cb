"""A plan carried out: as a graph, changed when tasks fail, whatever happens to the worker.

It is an ordinary durable handler. Each plan is a step, so it is made once; each run is a child, the
orchestrator's. What follows from their results is computed again by every attempt.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from pepperpy_agents.context import Context
from pepperpy_bus.graphs.graph import TOPIC as ORCHESTRATE
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.tasks.changing import Changed, adopt
from pepperpy_capabilities.planning.tasks.draft import Draft
from pepperpy_capabilities.planning.tasks.explaining import explain, planned_tasks
from pepperpy_capabilities.planning.tasks.graphing import Ended, output_of, rest_graph, whole_graph
from pepperpy_capabilities.planning.tasks.planner import first_draft, next_draft
from pepperpy_capabilities.planning.tasks.writing import Happened
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.error import HandlerError, PepperError
from pepperpy_schemas.errors import (
    BadOutput,
    BadProblem,
    NoPlan,
    PlanFailed,
    UnknownTopic,
    error_from_info,
)
from pepperpy_schemas.task_plans import FailedTask, Replanned, TaskPlan, TaskProblem

_NO_WAY = (NoPlan, BadOutput, BadProblem, UnknownTopic)


class Run:
    """Carries out one problem's plan, in one attempt at its task.

    Args:
        problem: The problem.
        ctx: The task's context.
        workshop: Where plans are made.
    """

    def __init__(self, problem: TaskProblem, ctx: Context, workshop: Workshop) -> None:
        self._problem = problem
        self._ctx = ctx
        self._workshop = workshop
        self._results: dict[str, Any] = {}
        self._came: dict[str, int] = {}
        self._replanned: list[Replanned] = []

    async def run(self) -> TaskPlan:
        """Returns the plan as it was carried out, with its result.

        Raises:
            PlanFailed: Tasks failed, and there is no other way, or no more change is allowed.
            PepperError: There is no plan, as `TaskPlanner.plan` raises it.
        """
        draft: Draft = await self._ctx.step("plan 1", self._first, type=Draft)
        self._came = dict.fromkeys(draft.tasks, 1)
        await self._tell("made", draft)
        while failed := await self._go_on(draft):
            draft = await self._change(draft, failed)
        tasks = planned_tasks(draft, self._results, self._came)
        return TaskPlan(
            graph=whole_graph(draft, self._problem.parallel),
            tasks=tasks,
            done=True,
            result=output_of(draft, self._results),
            replanned=self._replanned,
            explanation=explain(self._problem, draft, tasks, self._replanned),
        )

    async def _first(self) -> Draft:
        return await first_draft(self._problem, self._means())

    def _means(self) -> Means:
        return Means(self._workshop, seconds=self._problem.seconds, context=self._ctx)

    async def _go_on(self, draft: Draft) -> list[FailedTask]:
        """Runs what is left of a plan, and returns what failed."""
        graph = rest_graph(draft, self._results, self._problem.parallel)
        if not graph.nodes:
            return []
        ends = await self._ctx.run(ORCHESTRATE, graph, type=dict[str, Ended])
        self._results |= {
            name: one.result for name, one in ends.items() if one.state == "completed"
        }
        silent = HandlerError("it did not say why").info()
        return [
            FailedTask(name, draft.tasks[name].topic, one.error or silent)
            for name, one in ends.items()
            if one.state == "failed"
        ]

    async def _change(self, draft: Draft, failed: list[FailedTask]) -> Draft:
        number = len(self._replanned) + 2
        if number > self._problem.replans + 1:
            self._fail(failed, f"the plan was changed {self._problem.replans} times")
        changed: Changed = await self._ctx.step(
            f"plan {number}", self._next, draft, failed, type=Changed
        )
        if changed.draft is None:
            self._fail(failed, changed.changes[0])
        self._take(number, draft, failed, changed.draft, changed.changes)
        await self._tell("changed", changed.draft, failed=[one.name for one in failed])
        return changed.draft

    async def _next(self, draft: Draft, failed: list[FailedTask]) -> Changed:
        names = [one.name for one in failed]
        happened = Happened(
            self._results,
            {name: draft.tasks[name].topic for name in self._results},
            failed,
            [one for one in draft.tasks if one not in self._results and one not in names],
        )
        try:
            return await next_draft(self._problem, self._means(), draft, names, happened)
        except _NO_WAY as error:
            # A result of the step: a later attempt must not find a way where this one has none.
            return Changed(None, [f"there is no other way: {error}"])

    def _take(
        self,
        number: int,
        draft: Draft,
        failed: list[FailedTask],
        new: Draft,
        changes: list[str],
    ) -> None:
        for name, standing in adopt(draft.tasks, new.tasks, self._results).items():
            self._results[name] = self._results[standing]
        added = [name for name in new.tasks if name not in draft.tasks]
        self._came |= dict.fromkeys(added, number)
        left_out = [name for name in draft.tasks if name not in new.tasks]
        self._results = {name: one for name, one in self._results.items() if name in new.tasks}
        self._replanned.append(
            Replanned(
                plan=number,
                failed=failed,
                changes=changes,
                kept=len(self._results),
                added=added,
                left_out=left_out,
            )
        )

    def _fail(self, failed: Sequence[FailedTask], fact: str) -> NoReturn:
        first = failed[0]
        cause: PepperError = error_from_info(first.error)
        raise PlanFailed(
            f"{first.name} ({first.topic}) failed, and {fact}: {cause}",
            hint="declare another method, allow more replans, or mend what failed",
            context={
                "failed": [one.name for one in failed],
                "completed": list(self._results),
                "replans": len(self._replanned),
            },
        ) from cause

    async def _tell(self, verb: str, draft: Draft, **data: Any) -> None:
        if self._ctx.replaying:
            return
        number = len(self._replanned) + 1
        await self._ctx.emit(
            f"plan.{verb}",
            event_id=f"{self._ctx.task_id}:plan:{number}",
            plan=number,
            tasks=len(draft.tasks),
            **data,
        )
