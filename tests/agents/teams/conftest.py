"""What the tests of teams share: a bus of each test's own, with the stock agents that run them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Agent
from pepperpy.stack.broker import Broker
from pepperpy.testing.opening import opened
from pepperpy.testing.pepper import Pepper
from pepperpy_agents.graphs.orchestrator import agent as orchestrator
from pepperpy_agents.teams.moderator import agent as moderator


class Crew:
    """Members of teams, which note what they were given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, Any]] = []
        self.agent = Agent("crew", capabilities=["crew"])

    def member(self, topic: str, answer: Any) -> None:
        """Adds one: it returns the answer, or what a function makes of its task."""

        async def work(given: Any) -> Any:
            self.given.append((topic, given))
            return answer(given) if callable(answer) else answer

        work.__doc__ = f"Knows all about {topic}."
        self.agent.task(topic, retries=0)(work)

    def of(self, topic: str) -> list[Any]:
        """What a member was given."""
        return [given for asked, given in self.given if asked == topic]


@pytest.fixture
def crew() -> Crew:
    return Crew()


@pytest.fixture
async def pepper(broker: Broker, prefix: str, tmp_path: Path) -> AsyncIterator[Pepper]:
    async with opened(broker.url, prefix, tmp_path, agents=[orchestrator, moderator]) as one:
        yield one
