"""Agents as tools: a model asks another agent, in any language, by a child task of its own task.

The child is journaled: after a crash it is not submitted again, and the asking task holds no slot
while it waits. What the agent takes says the schema that its topic was announced with.
"""

from collections.abc import Sequence
from typing import Any, Final

from pepperpy_agents.context import Context
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.client import Client
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import ChildFailed, NotFound, ToolFailed
from pepperpy_schemas.headers import AGENT_DEPTH
from pepperpy_schemas.messages import TopicSchema
from pepperpy_schemas.schema_check import schema_check
from pepperpy_schemas.tokens import check_topic

AREA: Final = "agent"
"""A call of the agent that takes ``triage`` needs ``agent:triage``."""
DEEPEST: Final = 8
"""Agents that may have asked one another: two of them could go on for ever."""
WHOLE: Final = "input"
"""The argument that is the whole body, where that is no object."""


def agent_tool(topic: str) -> Tool:
    """Returns the tool that asks whoever takes a topic.

    Raises:
        BadName: The topic is none.
    """
    check_topic(topic)

    async def find(client: Client) -> Sequence[Tool]:
        schema = await client.schemas.latest(topic)
        if schema is None:
            raise NotFound(f"no worker has ever announced topic {topic}")
        return [_tool(topic, parameters_of(schema), is_object(schema.input), schema.doc)]

    return _tool(topic, {"type": "object"}, True, "", find=find)


def deeper(ctx: Context) -> dict[str, str]:
    """Returns the headers of a task that an agent submits to ask another agent.

    Raises:
        ToolFailed: So many agents have asked one another already.
    """
    written = ctx.headers.get(AGENT_DEPTH.lower(), "0")
    depth = int(written) + 1 if written.isdecimal() and len(written) < 4 else DEEPEST + 1
    if depth > DEEPEST:
        raise ToolFailed(
            f"agents have asked one another {DEEPEST} times: answer from what you have"
        )
    return {AGENT_DEPTH: str(depth)}


def _tool(
    topic: str, parameters: dict[str, Any], whole: bool, doc: str, *, find: Any = None
) -> Tool:
    async def ask(arguments: dict[str, Any], use: ToolUse) -> Any:
        assert use.ctx is not None, "the runner refuses calls without a task"
        body = arguments if whole else arguments.get(WHOLE)
        try:
            return await use.ctx.run(topic, body, headers=deeper(use.ctx))
        except ChildFailed as error:
            why = error.__cause__ or error
            raise ToolFailed(f"the agent that takes {topic} failed: {why}") from error

    return Tool(
        name=f"{AREA}.{topic}",
        description=doc or f"Asks the agent that takes {topic}.",
        parameters=parameters,
        call=ask,
        needs=lambda _: (f"{AREA}:{topic}",),
        find=find,
        journaled=True,
    )


def is_object(schema: dict[str, Any]) -> bool:
    """Returns whether what a topic takes is an object; else it is the argument `WHOLE`."""
    return schema.get("type") == "object"


def parameters_of(topic: TopicSchema) -> dict[str, Any]:
    """Returns the schema of a topic's body as one of arguments, which are always an object."""
    schema = {name: value for name, value in topic.input.items() if name != "$schema"}
    schema_check(encode(schema), f"the input of {topic.topic}")
    if is_object(schema):
        return schema
    defined = schema.pop("$defs", None)
    return {
        "type": "object",
        "properties": {WHOLE: schema},
        "required": [WHOLE],
        "additionalProperties": False,
        **({"$defs": defined} if defined else {}),
    }
