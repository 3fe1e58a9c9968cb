"""The examples of AutoGen: the first agent and the first team of its documentation."""

from collections import deque
from pathlib import Path

from pepperpy import Client
from pepperpy_agents.loading import load_agent
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned

EXAMPLES = Path(__file__).parents[4] / "examples/autogen"


async def test_the_weather_is_looked_up_and_told(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([calls(("get_weather", {"city": "New York"})), says("73 and sunny.")])
    async with working(load_agent(f"{EXAMPLES}/weather.py:agent")):
        said = await client.run("weather", "What is the weather in New York?", wait="20s")
    assert said == "73 and sunny."
    [result] = model.asked[1][1].messages[-1].parts
    assert "73 degrees" in result.content  # type: ignore[union-attr] # a result


async def test_a_poem_is_written_until_the_critic_approves(
    client: Client, working: Working, model: Planned
) -> None:
    drafts = ["Leaves fall.", "More colour.", "Red leaves fall.", "APPROVE"]
    model.plan = deque(map(says, drafts))
    async with working(load_agent(f"{EXAMPLES}/poem.py:agent")):
        said = await client.run("poem", "Write a poem about the fall season.", wait="20s")
    assert said == "Red leaves fall."
    assert len(model.asked) == 4
