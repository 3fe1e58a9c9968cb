"""The planner of goals: their parts, and how far each is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pepperpy_bus.bodies import to_json
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.goals.measuring import Look, check_source, look
from pepperpy_capabilities.planning.goals.progress import check_sub_goals, report
from pepperpy_capabilities.planning.goals.writing import write_sub_goals
from pepperpy_schemas.errors import TooBig
from pepperpy_schemas.goal_plans import GoalProblem, GoalReport, SubGoal
from pepperpy_schemas.task_plans import MAX_MODEL


class GoalPlanner:
    """Takes a goal apart into what is measured, and says how far it is."""

    name = "goal"
    problem = GoalProblem
    answer = GoalReport

    async def plan(self, problem: GoalProblem, means: Means) -> GoalReport:
        """Returns how far a goal is, as it is measured once; where no bus is, nothing is measured.

        Raises:
            BadProblem: A source or a sub-goal cannot be used; ``context.field`` is the place.
            BadOutput: The model's sub-goals cannot be used.
            Unavailable: A figure is wanted of the monitor, and there is none.
        """
        context = means.context
        at = datetime.now(UTC) if context is None else context.now
        plan = await parts_of(problem, means, at)
        if context is None:
            return report(problem, plan, Look(at), 0)
        since = problem.since or at
        found = await look(context.client, problem.sources, Look(since), at, since=since)
        return report(problem, plan, found, 1)


async def parts_of(problem: GoalProblem, means: Means, now: datetime) -> Sequence[SubGoal]:
    """Returns the parts of a goal, checked; see `GoalPlanner.plan`."""
    if (size := len(to_json(problem))) > MAX_MODEL:
        raise TooBig(
            f"the problem has {size >> 20} MiB, {MAX_MODEL >> 20} at most", context={"size": size}
        )
    for name, source in problem.sources.items():
        check_source(name, source)
    if problem.by == "model":
        return await write_sub_goals(means.llm, problem, now)
    check_sub_goals(problem.sub_goals, problem.sources)
    return problem.sub_goals
