"""The topics that a plan may use: what they take and give, as workers say it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pepperpy_schemas.task_plans import TaskProblem, TopicShape

if TYPE_CHECKING:
    from pepperpy_agents.context import Context

Topics = Mapping[str, TopicShape]

STOCK: Final = frozenset(
    {"orchestrator", "moderator", "archivist", "reasoner", "learner", "router", "planner"}
)
"""Agents whose topics a model is not offered unless it is told to use them."""


async def topics_for(problem: TaskProblem, context: "Context | None") -> Topics | None:
    """Returns the topics that are known, or None where nobody can say: there is no bus."""
    if problem.shapes:
        return {one.topic: one for one in problem.shapes}
    if context is None:
        return None
    known = {
        one.topic: TopicShape(
            topic=one.topic, input=one.input, output=one.output, description=one.doc
        )
        for one in await context.client.schemas.all()
    }
    for instance in await context.registry.instances():
        for topic in instance.topics:
            known.setdefault(topic, TopicShape(topic=topic))
    return known


async def topics_for_model(problem: TaskProblem, context: "Context | None") -> Topics:
    """Returns the topics that a model may use: those of the problem, or of agents that are up."""
    known = await topics_for(problem, context) or {}
    if problem.topics:
        return {topic: known.get(topic, TopicShape(topic=topic)) for topic in problem.topics}
    if problem.shapes or context is None:
        return known
    instances = await context.registry.instances()
    up = {topic for one in instances if one.agent not in STOCK for topic in one.topics}
    return {topic: shape for topic, shape in known.items() if topic in up}
