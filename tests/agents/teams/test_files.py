"""Teams as YAML files: read whole, or refused with the line of the slip."""

from pathlib import Path
from typing import Any

import pytest

from pepperpy import Graph
from pepperpy.testing.pepper import Pepper
from pepperpy_agents import teams
from pepperpy_agents.loading import load_agent
from pepperpy_agents.teams.declared import PATTERNS
from pepperpy_agents.teams.files import read_team
from pepperpy_agents.thinking import Limits
from pepperpy_bus.graphs.files import declares_team
from pepperpy_schemas.errors import BadConfig
from tests.agents.teams.conftest import Crew

FILES: dict[str, tuple[str, Graph]] = {
    "sequential": ("agents: [a, b]", teams.sequential("x", ["a", "b"])),
    "parallel": ("agents: [a, b]\njoin: c", teams.parallel("x", ["a", "b"], join="c")),
    "map_reduce": (
        "mapper: a\nreducer: b\nover: documents\nparallel: 3",
        teams.map_reduce("x", "a", "b", over="documents", parallel=3),
    ),
    "debate": (
        "debaters: [a, b]\njudge: c\nrounds: 3",
        teams.debate("x", ["a", "b"], "c", rounds=3),
    ),
    "router": (
        "agents: {a: all, b: none}\nrules: {b: input.n > 1}\nmodel: small\ninstructions: Think.",
        teams.router(
            "x",
            {"a": "all", "b": "none"},
            rules={"b": "input.n > 1"},
            model="small",
            instructions="Think.",
        ),
    ),
    "manager": (
        "workers: [a, b]\nbudget: {turns: 3}",
        teams.manager("x", ["a", "b"], limits=Limits(turns=3)),
    ),
    "reflection": (
        "writer: a\ncritic: b\nrounds: 2",
        teams.reflection("x", "a", "b", rounds=2),
    ),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_file_declares_what_the_call_makes(pattern: str) -> None:
    keys, made = FILES[pattern]
    text = f"name: x\npattern: {pattern}\nversion: 1.2.0\n{keys}\n"
    assert declares_team(text)
    team = read_team(text)
    assert team.graph.declared == made.declared
    assert team.version == "1.2.0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "name: x\npattern: debates\n",
            "t.yaml:2: 'debates' is no pattern; there is sequential, parallel, map_reduce, ",
        ),
        ("pattern: [a]\nname: x", "t.yaml:1: ['a'] is no pattern"),
        (
            "name: x\npattern: debate\ndebater: [a]\njudge: b\n",
            "t.yaml:3: debater: there is no such key, did you mean debaters?",
        ),
        ("name: x\npattern: sequential\nagents:\n- a\n- b c\n", "t.yaml:5: agents[1]: 'b c': "),
        ("name: x\npattern: sequential\nagents: []\n", "t.yaml:3: agents: list should have"),
        ("name: x\npattern: reflection\nwriter: a\ncritic: b\nrounds: 0", "t.yaml:5: rounds: 0: "),
        (
            "name: x\npattern: router\nrules:\n  a: input.n >\n",
            "t.yaml:4: rules.a: 'input.n >': ",
        ),
        ("name: x\npattern: router\nagents:\n  b c: all\n", "t.yaml:4: agents.b c: 'b c': "),
        (
            "name: x\npattern: router\nrules:\n  a: input.n > 1\n  b: kind == 1\n",
            "t.yaml:5: rules.b: 'kind == 1': ",
        ),
        ("name: x\npattern: router\n", "t.yaml:2: team x: there is nobody to choose"),
        ("name: x\npattern: map_reduce\nmapper: a\nover: a b\n", "t.yaml:2: node a: each: "),
        ("name: x\nversion: one\npattern: manager\nworkers: [a]\n", "t.yaml:2: version: 'one': "),
        ("name: x\npattern: manager\nworkers: {}\n", "t.yaml:3: workers: value should have"),
        ("name: x\npattern: manager\nworkers: [[a]]\n", "t.yaml:3: workers: input should be"),
        (
            "name: x\npattern: manager\nworkers: [a]\nbudget: {turn: 1}\n",
            "t.yaml:4: budget.turn: there is no such key, did you mean turns?",
        ),
    ],
)
def test_a_slip_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(BadConfig) as refused:
        read_team(text, origin="t.yaml")
    assert told in str(refused.value)


def test_what_is_no_team_is_none() -> None:
    assert not declares_team("name: x\ninstructions: Be.")
    assert not declares_team("[pattern]")
    assert not declares_team("pattern: [")


@pytest.mark.parametrize(
    "team",
    [
        teams.sequential("x", ["a", "x"]),
        teams.router("x", ["x"]),
        teams.router("x", rules={"x": "true"}),
        teams.manager("x", {"a": "", "x": "all"}),
        teams.reflection("x", "a", "x"),
        teams.reflection("x", teams.sequential("y", ["x"]), "a"),
        teams.parallel("x", [teams.router("y", ["a", "x"])]),
    ],
)
def test_a_team_that_would_ask_itself_for_ever_is_not_served(team: Graph) -> None:
    with pytest.raises(BadConfig, match="team x asks itself"):
        teams.served(team)
    assert teams.served(teams.reflection("x", teams.sequential("y", ["a"]), "b")).name == "x"


async def test_a_team_in_a_file_is_an_agent_that_others_ask_by_its_name(
    pepper: Pepper, crew: Crew, tmp_path: Path
) -> None:
    file = tmp_path / "report.yaml"
    file.write_text(
        "name: report\nversion: 1.2.0\npattern: sequential\nagents: [research, write]\n"
    )
    agent = load_agent(str(file))
    assert (agent.name, agent.version, agent.capabilities) == ("report", "1.2.0", ("team",))
    crew.member("research", lambda given: f"notes on {given}")
    crew.member("write", lambda given: f"a text from {given}")
    crew.member("read", lambda given: {"read": given})
    await pepper.worker(crew.agent)
    await pepper.worker(agent)
    assert await pepper.run("report", "otters") == "a text from notes on otters"
    reading: Any = await pepper.run(teams.sequential("both", ["report", "read"]), "cats")
    assert reading == {"read": "a text from notes on cats"}
