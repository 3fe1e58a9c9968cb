"""The topic of plans of tasks: they are made, and carried out where that is asked for."""

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.tasks.planner import TaskPlanner
from pepperpy_capabilities.planning.tasks.running import Run
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.task_plans import PLAN_TASKS, TaskPlan, TaskProblem

# What is wrong at a model has been tried again where models are asked.
_PASSING = tuple(one for one in error_types() if one.category == "bus")


def answer_tasks(agent: Agent, workshop: Workshop) -> None:
    """Has an agent plan tasks, and carry them out: that may take longer than any problem."""

    @agent.task(PLAN_TASKS, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None)
    async def plan_tasks(problem: TaskProblem, ctx: Context) -> TaskPlan:
        """Makes a graph of tasks for a goal, by methods or by a model; with `run` it runs it."""
        if problem.run:
            return await Run(problem, ctx, workshop).run()
        means = Means(workshop, seconds=problem.seconds, context=ctx)
        return await TaskPlanner().plan(problem, means)
