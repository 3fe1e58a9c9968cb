"""Teams whose way is decided while they run: graphs of one node, which decides."""

from collections.abc import Mapping

import msgspec

from pepperpy_agents.teams.members import Agents, Member, ask, check_rule, checked, described
from pepperpy_agents.teams.steps import TOPIC, Manage, Reflect, Route, Step
from pepperpy_agents.thinking.limits import Limits
from pepperpy_bus.graphs.graph import Graph
from pepperpy_bus.llm.options import DEFAULT
from pepperpy_bus.routing import Group
from pepperpy_schemas.errors import BadGraph
from pepperpy_schemas.graphs import GraphSpec
from pepperpy_schemas.tokens import check_topic


def router(
    name: str,
    agents: Agents = (),
    *,
    rules: Mapping[str, str] | None = None,
    instructions: str = "",
    model: str = DEFAULT,
) -> Graph:
    """Gives the input to one agent, which rules or a model choose.

    Args:
        name: The team's name.
        agents: Topics among which a model chooses when no rule does: a mapping says what each is
            for; of a list it is told the first paragraph of their handlers' docstrings.
        rules: Topics with conditions: ``{"billing": "input.kind == 'invoice'"}``. The first one
            that is true chooses, and ``"true"`` always is.
        instructions: What the model is told besides.
        model: An alias of the provider service, or ``provider/model``.

    Returns:
        The team. It returns what the chosen agent returns.

    Raises:
        BadGraph: There is nobody to choose, or a rule speaks of other things than ``input``.
        BadName: A topic is none.
        BadPayload: A rule cannot be read.
    """
    known, conditions = described(agents), dict(rules or {})
    for topic, rule in conditions.items():
        check_topic(topic)
        check_rule(rule)
    if not (known or conditions):
        raise BadGraph(f"team {name}: there is nobody to choose", hint="name agents, or rules")
    step = Route(rules=conditions, agents=known, instructions=instructions, model=model)
    return _deciding(name, "route", step)


def manager(
    name: str,
    workers: Agents,
    *,
    instructions: str = "",
    model: str = DEFAULT,
    limits: Limits | None = None,
) -> Graph:
    """Lets a model hand out sub-tasks to agents, as it likes, and answer with what comes back.

    Args:
        name: The team's name.
        workers: Topics of the agents that it may ask; see `router`. A failure of theirs is told to
            the model.
        instructions: What the model is told besides.
        model: An alias of the provider service, or ``provider/model``.
        limits: Where it is stopped; it then answers from what it has.

    Returns:
        The team. It returns the model's answer.

    Raises:
        BadGraph: There are no workers.
        BadName: A topic is none.
    """
    known = described(workers)
    if not known:
        raise BadGraph(f"team {name} has no workers", hint="name some")
    step = Manage(workers=known, instructions=instructions, model=model, limits=limits or Limits())
    return _deciding(name, "manage", step)


def reflection(name: str, writer: Member, critic: Member, *, rounds: int = 3) -> Graph:
    """Lets one agent write and another one judge, until it accepts or the rounds are over.

    The writer is given ``{"input": …}``, and from the second round on ``draft`` and ``feedback``
    too. The critic is given ``{"input": …, "draft": …}`` and returns ``{"accepted": true}`` or
    ``{"accepted": false, "feedback": …}``.

    Args:
        name: The team's name.
        writer: Who writes.
        critic: Who judges.
        rounds: How often is written at most.

    Returns:
        The team. It returns ``{"draft": …, "accepted": …, "feedback": …, "rounds": …}``, with the
        last draft whether it was accepted or not.

    Raises:
        BadGraph: It cannot run.
        BadName: A topic is none.
    """
    if rounds < 1:
        raise BadGraph(f"rounds is {rounds}", hint="use 1 or more")
    step = Reflect(writer=_target(writer), critic=_target(critic), rounds=rounds)
    return _deciding(name, "reflect", step)


def _deciding(name: str, node: str, step: Step) -> Graph:
    team = Graph(name)
    body = {**msgspec.to_builtins(step), "input": team.input}
    team.output(team.task(TOPIC, body, name=node).result)
    return checked(team)


def _target(member: Member) -> str | GraphSpec:
    if isinstance(member, str):
        return check_topic(member)
    if isinstance(member, Group):
        alone = Graph(member.name)
        alone.output(ask(alone, member, alone.input).result)
        member = alone
    return checked(member).declared
