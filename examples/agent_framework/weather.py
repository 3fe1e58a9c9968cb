"""The first agent with a tool of Agent Framework's documentation, on the bus.

What is Agent Framework's stays as it is, its model client, too: it reads OPENAI_API_KEY, and
OPENAI_BASE_URL for a server of your own. The last line makes an agent of it.
"""

import os
from random import Random
from typing import Annotated

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient
from pydantic import Field

from pepperpy_agents.adapters.agent_framework import agent_framework_agent


@tool(approval_mode="never_require")
def get_weather(
    location: Annotated[str, Field(description="The location to get the weather for.")],
) -> str:
    """Get the weather for a given location."""
    sky = Random(location).choice(["sunny", "cloudy", "rainy", "stormy"])
    return f"The weather in {location} is {sky} with a high of 20°C."


theirs = Agent(
    client=OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini")),
    name="WeatherAgent",
    instructions="You are a helpful weather agent. Use the get_weather tool to answer questions.",
    tools=[get_weather],
)

agent = agent_framework_agent("weather", theirs, version="1.0.0", keep=True)
