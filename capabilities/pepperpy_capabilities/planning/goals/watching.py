"""A goal looked at until it is reached or missed, whatever happens to the worker meanwhile.

It is an ordinary durable handler: each look is a step, and between two of them the task waits
without a slot. What is told follows from the looks, so every attempt tells the same.
"""

from datetime import datetime
from typing import Final

import msgspec

from pepperpy_agents.context import Context
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.goals.measuring import Look, look
from pepperpy_capabilities.planning.goals.planner import parts_of
from pepperpy_capabilities.planning.goals.progress import is_over, next_moment, report
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.goal_plans import GoalProblem, GoalReport, SubGoal
from pepperpy_schemas.messages import Instant

MAX_LOOKS: Final = 1000
"""Looks of one task: each is in its journal, which is read at each of them."""
_LEAST: Final = 0.1


class _Begun(msgspec.Struct, frozen=True):
    since: Instant
    plan: list[SubGoal]


class Watch:
    """Watches one goal, in one attempt at its task.

    Args:
        problem: The goal.
        ctx: The task's context.
        workshop: What means are made of.
    """

    def __init__(self, problem: GoalProblem, ctx: Context, workshop: Workshop) -> None:
        self._problem = problem
        self._ctx = ctx
        self._workshop = workshop

    async def run(self) -> GoalReport:
        """Returns the last report: the goal is reached or missed, or was looked at long enough.

        Raises:
            PepperError: It cannot be measured, as `GoalPlanner.plan` raises it.
        """
        begun: _Begun = await self._ctx.step("begin", self._begin, type=_Begun)
        problem = msgspec.structs.replace(self._problem, since=begun.since)
        found, told = Look(begun.since), report(problem, begun.plan, Look(begun.since), 0)
        for number in range(1, MAX_LOOKS + 1):
            first = begun.since if number == 1 else None
            found = await self._ctx.step(f"look {number}", self._look, found, first, type=Look)
            before, told = told, report(problem, begun.plan, found, number)
            await self._tell(before, told)
            if is_over(told) or number == MAX_LOOKS:
                break
            await self._ctx.sleep(self._pause(begun.plan, told))
        return told

    async def _begin(self) -> _Begun:
        now = self._ctx.now
        means = Means(self._workshop, seconds=self._problem.seconds, context=self._ctx)
        plan = await parts_of(self._problem, means, now)
        return _Begun(self._problem.since or now, list(plan))

    async def _look(self, before: Look, since: datetime | None) -> Look:
        ctx = self._ctx
        return await look(ctx.client, self._problem.sources, before, ctx.now, since=since)

    def _pause(self, plan: list[SubGoal], told: GoalReport) -> float:
        """Seconds to the next look: earlier where a time is over before."""
        moment = next_moment(plan, told)
        if moment is None or told.at is None:
            return self._problem.every
        return max(_LEAST, min(self._problem.every, (moment - told.at).total_seconds()))

    async def _tell(self, before: GoalReport, told: GoalReport) -> None:
        if self._ctx.replaying:
            return
        if told.fraction != before.fraction:
            await self._emit("progressed", told, "goal")
        for old, new in zip(before.sub_goals, told.sub_goals, strict=True):
            if new.state != old.state and new.state not in ("open", "kept"):
                await self._emit(
                    new.state,
                    told,
                    new.name,
                    sub_goal=new.name,
                    value=new.value,
                    target=new.target,
                    sub_fraction=new.fraction,
                )
        if told.state == "reached" != before.state:
            await self._emit("completed", told, "goal")

    async def _emit(self, verb: str, told: GoalReport, what: str, **data: object) -> None:
        await self._ctx.emit(
            f"goal.{verb}",
            scope=self._problem.name,
            event_id=f"{self._ctx.task_id}:{verb}:{what}:{told.looks}",
            goal=told.goal,
            fraction=told.fraction,
            state=told.state,
            **data,
        )
