"""The examples of LangChain: its first agent, and a graph that asks people."""

from collections import deque
from pathlib import Path

import pytest

from pepperpy import Client
from pepperpy_agents.loading import load_agent
from pepperpy_schemas.chat import ChatRequest, ToolResult
from tests.agents.adapters.langchain.conftest import model  # noqa: F401 - a fixture
from tests.agents.conftest import Working, client, wait_until, working  # noqa: F401 - fixtures
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import serving  # noqa: F401 - a fixture

EXAMPLES = Path(__file__).parents[2] / "examples/langchain"


def results(request: ChatRequest) -> list[str]:
    parts = [part for said in request.messages for part in said.parts]
    return [part.content for part in parts if isinstance(part, ToolResult)]


async def test_the_weather_is_looked_up_and_told(
    client: Client,  # noqa: F811 - the fixture
    working: Working,  # noqa: F811 - the fixture
    model: Planned,  # noqa: F811 - the fixture
) -> None:
    model.plan = deque([calls(("get_weather", {"city": "Bergen"})), says("Take an umbrella.")])
    async with working(load_agent(f"{EXAMPLES}/weather.py:agent")):
        assert await client.run("weather", "How is it in Bergen?", wait="20s") == (
            "Take an umbrella."
        )
    assert results(model.asked[1][1]) == ["9 °C and rain"]


@pytest.mark.parametrize(
    ("kind", "said", "reply"),
    [
        ("question", None, "At nine."),
        ("complaint", "yes", "At nine."),
        ("complaint", "no", "A colleague will answer you."),
    ],
)
async def test_a_complaint_is_answered_after_a_person_agreed(
    client: Client,  # noqa: F811 - the fixture
    working: Working,  # noqa: F811 - the fixture
    model: Planned,  # noqa: F811 - the fixture
    kind: str,
    said: str | None,
    reply: str,
) -> None:
    model.plan = deque([says(f'{{"kind": "{kind}"}}'), says("At nine.")])
    async with working(load_agent(f"{EXAMPLES}/mail.py:agent")):
        task_id = await client.submit("mail", {"text": "When does it leave?"})
        if said is not None:
            question = await wait_until(lambda: client.question(task_id))
            assert question.wait.text == "Send this? At nine."
            await client.answer(task_id, said)
        ended = await client.result(task_id, wait="20s")
    assert ended == {"text": "When does it leave?", "kind": kind, "reply": reply}
    assert len(model.asked) == 2
