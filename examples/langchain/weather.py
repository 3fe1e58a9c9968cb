"""The first agent of LangChain's documentation, on the bus: a model that may ask for the weather.

What is LangChain's stays as it is. Its model is the bus's, and the last line makes an agent of it.
"""

from langchain.agents import create_agent

from pepperpy_agents.adapters.langchain import ChatPepperPy, langchain_agent

WEATHER = {"lisbon": "24 °C and sunny", "bergen": "9 °C and rain"}


def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return WEATHER.get(city.casefold(), f"nothing is known of {city}")


graph = create_agent(
    ChatPepperPy(),
    tools=[get_weather],
    system_prompt="You tell people how the weather is. Look it up.",
)

agent = langchain_agent("weather", graph, version="1.0.0")
