"""The first agent of AutoGen's documentation, on the bus: a model and a tool.

What is AutoGen's stays as it is. Its model client is the bus's, and the last line makes an agent
of it.
"""

from autogen_agentchat.agents import AssistantAgent

from pepperpy_agents.adapters.autogen import PepperPyChatCompletionClient, autogen_agent


async def get_weather(city: str) -> str:
    """Get the weather for a given city."""
    return f"The weather in {city} is 73 degrees and Sunny."


def weather_agent() -> AssistantAgent:
    return AssistantAgent(
        name="weather_agent",
        model_client=PepperPyChatCompletionClient(),
        tools=[get_weather],
        system_message="You are a helpful assistant.",
        reflect_on_tool_use=True,
        model_client_stream=True,
    )


agent = autogen_agent("weather", weather_agent, version="1.0.0")
