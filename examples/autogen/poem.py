"""The first team of AutoGen's documentation, on the bus: one writes, one says what is wrong.

They go on until the critic says APPROVE. The writer's last words are the result.
"""

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from pepperpy_agents.adapters.autogen import PepperPyChatCompletionClient, autogen_agent


def team() -> RoundRobinGroupChat:
    model = PepperPyChatCompletionClient()
    primary = AssistantAgent(
        "primary", model, system_message="You are a helpful AI assistant.", model_client_stream=True
    )
    critic = AssistantAgent(
        "critic",
        model,
        system_message="Provide constructive feedback. Respond with 'APPROVE' to when your "
        "feedbacks are addressed.",
    )
    done = TextMentionTermination("APPROVE", sources=["critic"]) | MaxMessageTermination(9)
    return RoundRobinGroupChat([primary, critic], termination_condition=done)


def poem(ended: TaskResult) -> str:
    return [one.to_text() for one in ended.messages if one.source == "primary"][-1]


agent = autogen_agent("poem", team, version="1.0.0", write=poem)
