"""The topic of goals: measured once, or watched."""

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.goals.planner import GoalPlanner
from pepperpy_capabilities.planning.goals.watching import Watch
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.goal_plans import PLAN_GOAL, GoalProblem, GoalReport

_PASSING = tuple(one for one in error_types() if one.category == "bus")


def answer_goals(agent: Agent, workshop: Workshop) -> None:
    """Has an agent measure goals, and watch them: that may take as long as the goal has."""

    @agent.task(PLAN_GOAL, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None)
    async def plan_goal(problem: GoalProblem, ctx: Context) -> GoalReport:
        """Measures how far a goal is; with `watch` until it is reached or missed."""
        if problem.watch:
            return await Watch(problem, ctx, workshop).run()
        means = Means(workshop, seconds=problem.seconds, context=ctx)
        return await GoalPlanner().plan(problem, means)
