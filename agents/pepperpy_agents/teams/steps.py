"""What is decided while a team runs, as its graph asks for it: tasks of one topic."""

from typing import Annotated, Any, Final

import msgspec

from pepperpy_agents.thinking.limits import Limits
from pepperpy_bus.llm.options import DEFAULT
from pepperpy_schemas.graphs import GraphSpec

TOPIC: Final = "team-step"
"""Where a graph asks for a decision: the agent that runs graphs works there as well."""


class _Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """One decision.

    Attributes:
        input: What the team is given.
    """

    input: Any = None


class Route(_Step, frozen=True, kw_only=True, tag="route"):
    """Choose one agent, and return what it returns.

    Attributes:
        rules: Topics with conditions on ``input``; the first one that is true chooses.
        agents: Topics among which a model chooses when no rule does, with what each is for.
        instructions: What the model is told besides.
        model: The model.
    """

    rules: dict[str, str] = {}
    agents: dict[str, str] = {}
    instructions: str = ""
    model: str = DEFAULT


class Manage(_Step, frozen=True, kw_only=True, tag="manage"):
    """Let a model hand out sub-tasks, and make one answer of what comes back.

    Attributes:
        workers: Topics of the agents that it may ask, with what each is for.
        instructions: What the model is told besides.
        model: The model.
        limits: Where it is stopped.
    """

    workers: dict[str, str]
    instructions: str = ""
    model: str = DEFAULT
    limits: Limits = Limits()


class Reflect(_Step, frozen=True, kw_only=True, tag="reflect"):
    """Let one agent write, and another one judge, until it accepts.

    Attributes:
        writer: The topic, or the graph, that writes.
        critic: The topic, or the graph, that judges.
        rounds: How often is written at most.
    """

    writer: str | GraphSpec
    critic: str | GraphSpec
    rounds: Annotated[int, msgspec.Meta(ge=1)]


Step = Route | Manage | Reflect
