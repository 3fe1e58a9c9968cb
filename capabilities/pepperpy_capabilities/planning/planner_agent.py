"""The stock agent that plans: every planner on a topic of its own."""

from pepperpy_agents.agent import Agent
from pepperpy_capabilities.offering import PLANNERS, answer_problems, every
from pepperpy_capabilities.planning.built_in import BUILT_IN
from pepperpy_capabilities.planning.goals.serving import answer_goals
from pepperpy_capabilities.planning.tasks.serving import answer_tasks
from pepperpy_capabilities.workshop import Workshop

agent = Agent("planner", version="1.0.0", capabilities=["planning"])
workshop = Workshop()

_LASTING = {"tasks": answer_tasks, "goal": answer_goals}
"""Planners whose plans are also carried out, which lasts longer than to find them."""

for _one in every(PLANNERS, BUILT_IN):
    if _one.name in _LASTING:
        _LASTING[_one.name](agent, workshop)
        continue
    answer_problems(
        agent,
        workshop,
        topic=PLANNERS.topic(_one.name),
        problem=_one.problem,
        answer=_one.answer,
        solve=_one.plan,
    )


@agent.on_stop
async def close() -> None:
    """Ends the processes that still compute."""
    workshop.close()
