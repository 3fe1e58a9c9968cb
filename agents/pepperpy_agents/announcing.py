"""What an agent announces of its topics."""

from pepperpy_agents.agent import Agent, TaskSpec
from pepperpy_agents.frames import place_of_function
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import UnsupportedType
from pepperpy_schemas.jsonschema import schema_of
from pepperpy_schemas.messages import TopicSchema

log = get_log("pepperpy.worker")


def announced(agent: Agent) -> list[TopicSchema]:
    """Returns the schemas of an agent's topics; an agent that does nothing is worth a warning.

    Raises:
        UnsupportedType: A handler's type cannot travel; the message says where it is written.
    """
    if not (agent.tasks or agent.listeners or agent.composites):
        hint = 'write @agent.task("TOPIC") above a function'
        log.warning("worker.nothing_to_do", agent=agent.name, hint=hint)
    return [_schema(agent, spec) for spec in agent.tasks.values()]


def _schema(agent: Agent, spec: TaskSpec) -> TopicSchema:
    handler = spec.handler
    try:
        return TopicSchema(
            topic=spec.topic,
            version=1,
            input=schema_of(handler.input),
            output=schema_of(handler.output, mode="output"),
            agent=agent.name,
            agent_version=agent.version,
            doc=handler.doc,
        )
    except UnsupportedType as error:
        place = place_of_function(handler.call)
        at = f"{place}: " if place else ""
        raise UnsupportedType(
            f"{at}handler {handler.name}: {error.message}", context=error.context
        ) from error.__cause__
