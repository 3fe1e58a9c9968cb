"""The stock agent that reasons: every reasoner on a topic of its own."""

from pepperpy_agents.agent import Agent
from pepperpy_capabilities.offering import REASONERS, answer_problems, every
from pepperpy_capabilities.reasoning.built_in import BUILT_IN
from pepperpy_capabilities.workshop import Workshop

agent = Agent("reasoner", version="1.0.0", capabilities=["reasoning"])
workshop = Workshop()

for _one in every(REASONERS, BUILT_IN):
    answer_problems(
        agent,
        workshop,
        topic=REASONERS.topic(_one.name),
        problem=_one.problem,
        answer=_one.answer,
        solve=_one.reason,
    )


@agent.on_stop
async def close() -> None:
    """Ends the processes that still compute."""
    workshop.close()
