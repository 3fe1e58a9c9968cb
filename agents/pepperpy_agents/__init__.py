"""Agents: what they do, and the workers that run them."""

from pepperpy_agents.agent import Agent
from pepperpy_agents.blocking import BlockingContext
from pepperpy_agents.context import Context
from pepperpy_agents.lifecycle import State
from pepperpy_agents.retry import RetryPolicy

__all__ = ["Agent", "BlockingContext", "Context", "RetryPolicy", "State"]
