"""Teams whose way is decided while they run."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Context, LLMAgent, PepperError
from pepperpy.stack.broker import Broker
from pepperpy.testing.opening import opened
from pepperpy.testing.pepper import Pepper
from pepperpy_agents import teams
from pepperpy_agents.graphs.orchestrator import agent as orchestrator
from pepperpy_agents.thinking import Limits
from pepperpy_schemas.chat import ToolResult
from pepperpy_schemas.errors import GraphFailed
from tests.agents.conftest import wait_until
from tests.agents.teams.conftest import Crew


async def test_a_model_chooses_by_what_the_agents_say_of_themselves(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("billing", lambda given: f"billing: {given}")
    crew.member("tech", "tech")
    await pepper.worker(crew.agent)
    pepper.model.replies({"agent": "billing"})
    desk = teams.router("desk", ["billing", "tech"], instructions="Money first.")
    assert await pepper.run(desk, "my invoice") == "billing: my invoice"
    assert crew.given == [("billing", "my invoice")]
    (request,) = pepper.model.requests
    told = request.messages[0].text
    assert "- billing: Knows all about billing." in told
    assert "Money first." in told
    assert request.messages[-1].text == "my invoice"


async def test_an_agent_that_nobody_named_is_not_chosen(pepper: Pepper, crew: Crew) -> None:
    crew.member("tech", "it works")
    crew.member("secret", "told")
    await pepper.worker(crew.agent)
    pepper.model.replies({"agent": "secret"}, {"agent": "tech"})
    desk = teams.router("desk", {"tech": "what does not work"})
    assert await pepper.run(desk, "help") == "it works"
    assert crew.of("secret") == []


async def test_the_first_rule_that_is_true_chooses_and_asks_no_model(
    pepper: Pepper, crew: Crew
) -> None:
    for topic in ("billing", "urgent", "front"):
        crew.member(topic, topic)
    await pepper.worker(crew.agent)
    rules = {"billing": "input.kind == 'invoice'", "urgent": "input.level > 2"}
    desk = teams.router("desk", rules={**rules, "front": "true"})
    assert await pepper.run(desk, {"kind": "invoice", "level": 3}) == "billing"
    assert await pepper.run(desk, {"kind": "bug", "level": 3}) == "urgent"
    assert await pepper.run(desk, "hello") == "front"
    with pytest.raises(GraphFailed, match="no rule of the router is true"):
        await pepper.run(teams.router("desk", rules=rules), {"kind": "bug"})
    assert pepper.model.requests == []
    pepper.model.replies({"agent": "front"})
    assert await pepper.run(teams.router("desk", ["front"], rules=rules), "hello") == "front"


async def test_a_manager_hands_out_sub_tasks_and_joins_what_comes_back(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("research", lambda given: f"notes on {given}")
    crew.member("check", lambda given: given["title"])
    await pepper.worker(crew.agent)
    pepper.model.calls_tools(
        ("agent.research", {"input": "otters"}), ("agent.check", {"input": "otters"})
    ).replies("Otters swim.")
    lead = teams.manager("lead", {"research": "finds facts", "check": ""}, instructions="Be short.")
    assert await pepper.run(lead, "a text on otters") == "Otters swim."
    assert sorted(crew.given) == [("check", "otters"), ("research", "otters")]
    first, second = pepper.model.requests
    assert "- research: finds facts" in first.messages[0].text
    assert "- check: Knows all about check." in first.messages[0].text
    assert "Be short." in first.messages[0].text
    parts = [part for message in second.messages for part in message.parts]
    results = [str(one.content) for one in parts if isinstance(one, ToolResult)]
    assert results[0] == "notes on otters"
    assert "check failed" in results[1]


async def test_a_manager_stops_at_its_limits(pepper: Pepper, crew: Crew) -> None:
    crew.member("research", "notes")
    await pepper.worker(crew.agent)
    pepper.model.calls_tool("agent.research", input="otters").replies("As far as I know.")
    lead = teams.manager("lead", ["research"], limits=Limits(turns=1))
    assert await pepper.run(lead, "otters") == "As far as I know."
    assert pepper.model.requests[1].tool_choice == "none"


def verdicts(*accepted: bool) -> Any:
    given = iter(accepted)
    return lambda task: {"accepted": next(given), "feedback": f"on {task['draft']}"}


async def test_writer_and_critic_go_on_until_it_is_accepted(pepper: Pepper, crew: Crew) -> None:
    crew.member("write", lambda given: f"draft {len(crew.of('write'))}")
    crew.member("review", verdicts(False, True))
    await pepper.worker(crew.agent)
    essay = teams.reflection("essay", "write", "review", rounds=5)
    assert await pepper.run(essay, "otters") == {
        "draft": "draft 2",
        "feedback": "on draft 2",
        "accepted": True,
        "rounds": 2,
    }
    assert crew.of("write") == [
        {"input": "otters"},
        {"input": "otters", "draft": "draft 1", "feedback": "on draft 1"},
    ]
    assert crew.of("review")[1] == {"input": "otters", "draft": "draft 2"}


async def test_the_last_draft_is_there_when_the_rounds_are_over(pepper: Pepper, crew: Crew) -> None:
    crew.member("write", "draft")
    crew.member("review", verdicts(False, False))
    await pepper.worker(crew.agent)
    writer = teams.sequential("writer", ["write"])
    ended = await pepper.run(teams.reflection("essay", writer, "review", rounds=2), "otters")
    assert (ended["draft"], ended["accepted"], ended["rounds"]) == ("draft", False, 2)


@pytest.mark.parametrize("given", ["${input} {{ 7*7 }}", {"$ref": "secret"}, {"$$ref": "x"}])
async def test_writers_may_be_such_teams_and_texts_are_no_references(
    pepper: Pepper, crew: Crew, given: Any
) -> None:
    crew.member("write", lambda task: task["input"])
    crew.member("review", {"accepted": True, "feedback": given})
    await pepper.worker(crew.agent)
    team = teams.sequential("writer", ["write"])
    for name in ("inner", "middle", "outer"):
        team = teams.reflection(name, team, "review")
    ended = await pepper.run(team, given)
    for _ in range(3):
        assert ended["feedback"] == given
        ended = ended["draft"]
    assert ended == {"input": {"input": given}}


async def test_a_critic_that_does_not_say_whether_it_accepts_is_named(
    pepper: Pepper, crew: Crew
) -> None:
    crew.member("write", "draft")
    crew.member("review", "fine")
    await pepper.worker(crew.agent)
    with pytest.raises(GraphFailed, match="critic review does not say whether it accepts: 'fine'"):
        await pepper.run(teams.reflection("essay", "write", "review"), "otters")


async def test_the_error_of_a_member_has_its_name(pepper: Pepper, crew: Crew) -> None:
    crew.member("write", lambda given: given["title"])
    await pepper.worker(crew.agent)
    with pytest.raises(GraphFailed, match=r"graph essay: node reflect .*member write failed: Key"):
        await pepper.run(teams.reflection("essay", "write", "review"), "otters")
    inner = teams.sequential("inner", ["write"])
    with pytest.raises(GraphFailed, match=r"member inner failed: .*node write failed: Key"):
        await pepper.run(teams.reflection("essay", inner, "review"), "otters")


async def test_what_members_pay_is_of_the_budget_of_the_team(pepper: Pepper) -> None:
    agent = Agent("spender")

    @agent.task("write", retries=0)
    async def write(_: Any, ctx: Context) -> str:
        async with ctx.budget.spend(tokens=400):
            return "draft"

    @agent.task("review", retries=0)
    async def review(_: Any, ctx: Context) -> dict[str, Any]:
        async with ctx.budget.spend(tokens=400):
            return {"accepted": False}

    await pepper.worker(agent)
    essay = teams.reflection("essay", "write", "review")
    with pytest.raises(GraphFailed, match=r"member write failed: .*budget") as failed:
        await pepper.run(essay, "otters", budget={"tokens": 1000})
    causes, error = [], failed.value.__cause__
    while isinstance(error, PepperError):
        causes.append(error.code)
        error = error.__cause__
    assert causes[-1] == "budget_exceeded"


async def test_cancel_reaches_the_member_that_works(pepper: Pepper) -> None:
    agent, asked = Agent("slow"), []

    @agent.task("write", timeout=None)
    async def write(_: Any, ctx: Context) -> None:
        asked.append(ctx.task_id)
        await ctx.sleep("1h")

    await pepper.worker(agent)
    for team in (
        teams.reflection("essay", "write", "write"),
        teams.router("desk", rules={"write": "true"}),
        teams.sequential("outer", [teams.sequential("inner", ["write"])]),
    ):
        asked.clear()
        task = await pepper.client.submit(team, "otters")
        await wait_until(lambda: asked)
        assert await pepper.client.cancel(task, reason="enough")
        with pytest.raises(PepperError, match="canceled"):
            await pepper.result(asked[0])
        with pytest.raises(PepperError, match="canceled"):
            await pepper.result(task)


async def test_agents_that_think_write_and_judge(pepper: Pepper) -> None:
    verdict = {
        "type": "object",
        "properties": {"accepted": {"type": "boolean"}, "feedback": {"type": "string"}},
        "required": ["accepted", "feedback"],
    }
    await pepper.worker(LLMAgent("write", "You write."))
    await pepper.worker(LLMAgent("review", "You judge.", output_type=verdict))
    pepper.model.replies(
        "Otters.",
        {"accepted": False, "feedback": "A verb!"},
        "Otters swim.",
        {"accepted": True, "feedback": ""},
    )
    ended = await pepper.run(teams.reflection("essay", "write", "review"), "On otters")
    assert (ended["draft"], ended["rounds"]) == ("Otters swim.", 2)
    asked = [msgspec.json.decode(one.messages[-1].text) for one in pepper.model.requests]
    assert asked[2] == {"input": "On otters", "draft": "Otters.", "feedback": "A verb!"}
    assert asked[3] == {"input": "On otters", "draft": "Otters swim."}


async def test_models_that_decide_are_paid_from_the_budget_of_the_team(pepper: Pepper) -> None:
    pepper.model.replies("Otters swim.")
    for team in (teams.manager("lead", ["research"]), teams.router("desk", ["research"])):
        with pytest.raises(GraphFailed, match="budget"):
            await pepper.run(team, "otters", budget={"tokens": 1})
    assert pepper.model.requests == []
    lead = teams.manager("lead", ["research"])
    assert await pepper.run(lead, "otters", budget={"tokens": 100_000}) == "Otters swim."


async def test_without_the_moderator_only_what_nobody_decides_runs(
    broker: Broker, prefix: str, tmp_path: Path, crew: Crew
) -> None:
    crew.member("write", "a text")
    async with opened(broker.url, prefix, tmp_path, agents=[orchestrator, crew.agent]) as pepper:
        assert await pepper.run(teams.sequential("report", ["write"]), "otters") == "a text"
        desk = await pepper.client.submit(teams.router("desk", rules={"write": "true"}), "otters")
        await pepper.wait_for_events("task.suspended", task=desk)
        assert crew.of("write") == ["otters"]
