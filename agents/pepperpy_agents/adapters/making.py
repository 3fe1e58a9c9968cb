"""Agents whose tasks a framework's object answers."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

from pepperpy_agents.agent import Agent
from pepperpy_bus.units import Duration


class TaskSettings(TypedDict, total=False):
    """How the tasks of an agent are run; see `Agent.task`.

    Attributes:
        retries: Repeats after the first failure of a task.
        retry_delay: Wait before the first repeat; each next one is twice as long.
        timeout: How long one attempt may take; None for ever.
        concurrency: Tasks at once in one process; the worker's setting by default.
    """

    retries: int
    retry_delay: Duration
    timeout: Duration | None
    concurrency: int | None


def agent_for(
    name: str,
    handle: Callable[..., Any],
    *,
    topics: Sequence[str] | None,
    version: str,
    capabilities: Sequence[str],
    **settings: Unpack[TaskSettings],
) -> Agent:
    """Returns an agent with one handler.

    Args:
        name: One token: letters, digits, ``_`` and ``-``.
        handle: The handler.
        topics: The topics whose tasks it takes; the agent's name by default.
        version: Semantic version.
        capabilities: What the agent can do, for look-ups in the registry.
        **settings: See `TaskSettings`.
    """
    agent = Agent(name, version=version, capabilities=tuple(capabilities))
    for topic in topics or [name]:
        agent.task(topic, **settings)(handle)
    return agent
