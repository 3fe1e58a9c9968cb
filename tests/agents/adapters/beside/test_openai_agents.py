"""OpenAI's agents beside ours, in one environment: its package is called `agents`.

So is the folder that ours lies in. What is installed of ours is `pepperpy_agents`, in place or as
a wheel, and both work in one process, also one that was begun in our clone.
"""

import subprocess
import sys
from collections import deque
from pathlib import Path

from llmock.pytest_plugin import LLMock
from openai import AsyncOpenAI

import agents
import pepperpy_agents
from agents import Agent as TheirAgent
from agents import OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from pepperpy import Agent, Client, Context
from pepperpy_agents.thinking.agent import LLMAgent
from tests.agents.adapters.langchain.conftest import model  # noqa: F401 - a fixture
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import says
from tests.provider_svc.asking import Planned
from tests.provider_svc.gateway.conftest import serving  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[4]


async def test_both_are_used_in_one_process(
    client: Client,
    working: Working,
    model: Planned,  # noqa: F811 - the fixture
    llmock: LLMock,
) -> None:
    set_tracing_disabled(True)
    llmock.reply("Bonjour.")
    model.plan = deque([says("Hello.")])
    ours = Agent("french")

    @ours.task("french")
    async def french(text: str, ctx: Context) -> str:
        said = await client.run("english", text, wait="20s")
        async with AsyncOpenAI(max_retries=0) as provider:
            asked = OpenAIChatCompletionsModel("gpt-4o", provider)
            theirs = TheirAgent("translator", instructions="Translate to French.", model=asked)
            return (await Runner.run(theirs, said)).final_output

    async with working(LLMAgent("english", "You greet people.")), working(ours):
        assert await client.run("french", "Greet me.", wait="20s") == "Bonjour."
    assert "Hello." in str(llmock.requests[0].body["messages"])


def test_the_name_stays_theirs() -> None:
    assert "site-packages" in (agents.__file__ or "")
    assert Path(pepperpy_agents.__file__ or "").is_relative_to(ROOT / "agents")
    assert not (ROOT / "agents/__init__.py").exists()
    # A folder without __init__.py gives way to a package, wherever it stands in the path.
    said = subprocess.run(
        [sys.executable, "-c", "import agents, pepperpy_agents; print(agents.Runner)"],
        cwd=ROOT,
        check=True,
        text=True,
        capture_output=True,
    )
    assert "Runner" in said.stdout
