"""Agents that think: a model that is asked again and again, with tools, until it has an answer."""

from pepperpy_agents.thinking.agent import LLMAgent
from pepperpy_agents.thinking.answers import Answer
from pepperpy_agents.thinking.handoffs import Handoff
from pepperpy_agents.thinking.limits import Limits
from pepperpy_agents.thinking.recalling import Recall
from pepperpy_agents.thinking.sessions import Sessions

__all__ = ["Answer", "Handoff", "LLMAgent", "Limits", "Recall", "Sessions"]
