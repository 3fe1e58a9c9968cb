"""The members of a team: whoever takes a topic, a group of agents, or a team of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from pepperpy_bus.graphs.graph import Graph, Node, NodeOptions
from pepperpy_bus.graphs.plan import make_plan
from pepperpy_bus.graphs.references import INPUT
from pepperpy_bus.routing import Group
from pepperpy_bus.where import compile_where, names_in
from pepperpy_schemas.errors import BadGraph
from pepperpy_schemas.tokens import check_topic

Member = str | Group | Graph
"""A topic, whose workers may be written in any language; a group; a graph, as every team is."""
Agents = Sequence[str] | Mapping[str, str]
"""Topics, or topics with what a model is told that they are for."""


def ask(team: Graph, member: Member, given: Any, **options: Unpack[NodeOptions]) -> Node:
    """Adds a member's task to a team."""
    if isinstance(member, Graph):
        return team.graph(member, given, **options)
    return team.task(member, given, **options)


def named(members: Sequence[Member]) -> dict[str, Member]:
    """Returns members by their names; of equal ones the second is ``name_2``.

    Raises:
        BadGraph: There are none, or a text stands where a list of them should.
    """
    if isinstance(members, str) or not members:
        raise BadGraph(f"members are {members!r:.80}", hint='name some: ["research", "write"]')
    found: dict[str, Member] = {}
    for member in members:
        name = base = member if isinstance(member, str) else member.name
        number = 1
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = member
    return found


def described(agents: Agents) -> dict[str, str]:
    """Returns topics with what each is for; an empty text where nothing is said.

    Raises:
        BadName: One of them is no topic.
        BadGraph: A text stands where a list of them should.
    """
    if isinstance(agents, str):
        raise BadGraph(f"agents are the text {agents!r:.80}", hint="put it in [ ]")
    found = dict(agents) if isinstance(agents, Mapping) else dict.fromkeys(agents, "")
    return {check_topic(topic): about or "" for topic, about in found.items()}


def check_rule(rule: str) -> str:
    """Returns a condition that can choose.

    Raises:
        BadPayload: It cannot be read.
        BadGraph: It speaks of something else than the input.
    """
    others = names_in(rule) - {INPUT}
    if others:
        name = min(others)
        raise BadGraph(
            f"rule {rule!r:.80} speaks of {name}: there is only {INPUT}",
            hint=f"write {INPUT}.{name}",
        )
    compile_where(rule)
    return rule


def checked(team: Graph) -> Graph:
    """Returns a team that can run.

    Raises:
        BadGraph: It cannot.
    """
    make_plan(team.declared)
    return team
