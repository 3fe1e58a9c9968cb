"""Teams whose way is known before they run: graphs, and nothing else."""

from collections.abc import Sequence
from typing import Any, Final

from pepperpy_agents.teams.members import Member, ask, checked, named
from pepperpy_bus.graphs.graph import Graph, Ref
from pepperpy_bus.graphs.references import INPUT
from pepperpy_schemas.errors import BadGraph

MOST_ROUNDS: Final = 50
"""Rounds of a debate: each is told all that were before it, and so a graph of them is quadratic."""


def sequential(name: str, agents: Sequence[Member]) -> Graph:
    """Lets agents work one after the other: each is given what the one before it returned.

    Args:
        name: The team's name.
        agents: The members; the first is given the team's input.

    Returns:
        The team. It returns what its last member returns.

    Raises:
        BadGraph: It cannot run.

    Example:
        ```python
        report = teams.sequential("report", ["research", "write"])
        text = await bus.run(report, "otters")
        ```
    """
    team = Graph(name)
    given = team.input
    for member in named(agents).values():
        given = ask(team, member, given).result
    team.output(given)
    return checked(team)


def parallel(name: str, agents: Sequence[Member], *, join: Member | None = None) -> Graph:
    """Lets agents work on the same input at the same time.

    Args:
        name: The team's name.
        agents: The members.
        join: Who makes one result of theirs: it is given ``{"input": …, "results": {NAME: …}}``.

    Returns:
        The team. It returns what ``join`` returns, or the members' results by their names.

    Raises:
        BadGraph: It cannot run.
    """
    team = Graph(name)
    results: Any = {
        label: ask(team, member, team.input).result for label, member in named(agents).items()
    }
    if join is not None:
        results = ask(team, join, {"input": team.input, "results": results}).result
    team.output(results)
    return checked(team)


def map_reduce(
    name: str, mapper: Member, reducer: Member | None = None, *, over: str = "", parallel: int = 8
) -> Graph:
    """Gives each element of a list to an agent, and all results to another one.

    Args:
        name: The team's name.
        mapper: Who is given each element.
        reducer: Who is given the list of results, in the order of the elements.
        over: Where in the input the list is, such as ``documents``; the input itself by default.
        parallel: How many elements are worked on at once.

    Returns:
        The team. It returns what ``reducer`` returns, or the list of results.

    Raises:
        BadGraph: It cannot run.
    """
    if parallel < 1:
        raise BadGraph(f"parallel is {parallel}", hint="use 1 or more")
    team = Graph(name)
    elements = Ref(f"{INPUT}.{over}") if over else team.input
    given = ask(team, mapper, team.item, each=elements, parallel=parallel).result
    if reducer is not None:
        given = ask(team, reducer, given).result
    team.output(given)
    return checked(team)


def debate(name: str, debaters: Sequence[Member], judge: Member, *, rounds: int = 2) -> Graph:
    """Lets agents argue in rounds, and another one decide.

    All of them are given ``{"question": …, "debate": […]}``: the team's input, and a list of the
    rounds so far, each a list of ``{"by": NAME, "says": …}``.

    Args:
        name: The team's name.
        debaters: Who argues; those of one round do not hear each other.
        judge: Who decides when all has been said.
        rounds: How often each debater speaks: 50 times at most.

    Returns:
        The team. It returns what the judge returns.

    Raises:
        BadGraph: It cannot run.
    """
    if not 1 <= rounds <= MOST_ROUNDS:
        raise BadGraph(f"rounds is {rounds}", hint=f"use 1 to {MOST_ROUNDS}")
    team = Graph(name)
    said: list[list[dict[str, Any]]] = []
    for _ in range(rounds):
        given = {"question": team.input, "debate": list(said)}
        said.append(
            [
                {"by": label, "says": ask(team, member, given).result}
                for label, member in named(debaters).items()
            ]
        )
    team.output(ask(team, judge, {"question": team.input, "debate": said}).result)
    return checked(team)
