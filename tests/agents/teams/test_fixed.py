"""Teams whose way is known before they run."""

from collections.abc import Callable

import pytest

from pepperpy import Graph, Group
from pepperpy.testing.pepper import Pepper
from pepperpy_agents import teams
from pepperpy_schemas.errors import BadGraph, BadName, BadPayload, GraphFailed
from tests.agents.teams.conftest import Crew


async def test_in_a_row_each_is_given_what_the_one_before_returned(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("research", lambda given: f"notes on {given}")
    crew.member("write", lambda given: f"a text from {given}")
    await pepper.worker(crew.agent)
    report = teams.sequential("report", ["research", "write", "write"])
    assert await pepper.run(report, "otters") == "a text from a text from notes on otters"


async def test_side_by_side_all_are_given_the_same_and_one_joins(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("praise", "good")
    crew.member("blame", "bad")
    crew.member("weigh", lambda given: given)
    await pepper.worker(crew.agent)
    views = ["praise", "blame", "praise"]
    results = {"praise": "good", "blame": "bad", "praise_2": "good"}
    assert await pepper.run(teams.parallel("views", views), {"plan": 1}) == results
    joined = teams.parallel("views", views, join="weigh")
    given = {"input": {"plan": 1}, "results": results}
    assert await pepper.run(joined, {"plan": 1}) == given
    assert crew.of("blame") == [{"plan": 1}] * 2


async def test_a_list_of_any_length_is_mapped_in_its_order_and_reduced(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("square", lambda n: n * n)
    crew.member("sum", sum)
    await pepper.worker(crew.agent)
    numbers = list(range(20))
    whole = teams.map_reduce("squares", "square", "sum", over="numbers.list", parallel=3)
    assert await pepper.run(whole, {"numbers": {"list": numbers}}) == 2470
    assert await pepper.run(teams.map_reduce("squares", "square"), [3, 2]) == [9, 4]
    assert await pepper.run(teams.map_reduce("squares", "square", "sum"), []) == 0
    assert whole.declared.nodes["square"].parallel == 3


async def test_in_a_debate_all_hear_the_rounds_before_theirs_and_the_judge_all(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("yes", lambda given: f"yes {len(given['debate'])}")
    crew.member("no", lambda given: f"no {len(given['debate'])}")
    crew.member("judge", lambda given: {"heard": given})
    await pepper.worker(crew.agent)
    debate = teams.debate("debate", ["yes", "no"], "judge", rounds=2)
    rounds = [[{"by": who, "says": f"{who} {n}"} for who in ("yes", "no")] for n in (0, 1)]
    question = {"question": "tea?", "debate": rounds}
    assert await pepper.run(debate, "tea?") == {"heard": question}
    assert crew.of("no") == [{"question": "tea?", "debate": rounds[:n]} for n in (0, 1)]


async def test_members_may_be_groups_and_teams(pepper: Pepper, crew: Crew) -> None:
    crew.member("double", lambda n: n * 2)
    await pepper.worker(crew.agent)
    group = Group("any", capability="crew")
    twice = teams.sequential("twice", ["double", group])
    both = teams.parallel("both", [twice, "double", twice])
    assert await pepper.run(both, 3) == {"twice": 12, "double": 6, "twice_2": 12}


async def test_the_error_of_a_member_has_its_name(pepper: Pepper, crew: Crew) -> None:
    crew.member("research", "notes")
    crew.member("write", lambda given: given["title"])
    await pepper.worker(crew.agent)
    inner = teams.sequential("inner", ["research", "write"])
    with pytest.raises(GraphFailed, match=r"graph report: node inner .*node write failed: Type"):
        await pepper.run(teams.sequential("report", [inner]), "otters")


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: teams.sequential("x", []), BadGraph, r"members are \[\]"),
        (lambda: teams.sequential("x", "research"), BadGraph, "members are 'research'"),
        (lambda: teams.parallel("x", ["not a topic"]), BadGraph, "not a topic"),
        (lambda: teams.sequential("no name", ["a"]), BadGraph, "no name"),
        (lambda: teams.map_reduce("x", "a", over="not ours"), BadGraph, "cannot be read"),
        (lambda: teams.map_reduce("x", "a", parallel=0), BadGraph, "parallel is 0"),
        (lambda: teams.debate("x", ["a"], "b", rounds=0), BadGraph, "rounds is 0"),
        (lambda: teams.debate("x", ["a"], "b", rounds=100_000), BadGraph, "rounds is 100000"),
        (lambda: teams.reflection("x", "a", "b", rounds=0), BadGraph, "rounds is 0"),
        (lambda: teams.reflection("x", "a b", "b"), BadName, "a b"),
        (lambda: teams.router("x", "a"), BadGraph, "agents are the text 'a'"),
        (lambda: teams.router("x", ["a b"]), BadName, "a b"),
        (lambda: teams.router("x", rules={"a": "input >"}), BadPayload, "input >"),
        (lambda: teams.router("x", rules={"a": "kind == 1"}), BadGraph, "speaks of kind"),
        (lambda: teams.router("x"), BadGraph, "nobody to choose"),
        (lambda: teams.manager("x", []), BadGraph, "no workers"),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_made(
    make: Callable[[], Graph], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        make()
