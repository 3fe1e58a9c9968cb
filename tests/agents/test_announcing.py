import logging
from pathlib import Path

import pytest

from pepperpy_agents.agent import Agent
from pepperpy_agents.announcing import announced
from pepperpy_schemas.errors import UnsupportedType


def test_each_topic_is_announced_with_its_types() -> None:
    agent = Agent("shop", version="1.2.0")

    @agent.task("shout")
    async def shout(text: str) -> int:
        """Shouts."""
        return len(text)

    (one,) = announced(agent)
    assert (one.topic, one.input["type"], one.output["type"]) == ("shout", "string", "integer")
    assert (one.agent, one.agent_version, one.doc) == ("shop", "1.2.0", "Shouts.")


def test_a_type_that_cannot_travel_is_told_with_file_line_and_handler() -> None:
    agent = Agent("shop")

    @agent.task("shout")
    async def shout(text: object) -> str:
        return str(text)

    line = shout.__code__.co_firstlineno
    with pytest.raises(UnsupportedType) as caught:
        announced(agent)
    told = str(caught.value)
    assert f"{Path(__file__).name}, line {line}: handler " in told
    assert "shout: object has no JSON Schema" in told
    assert caught.value.hint


def test_an_agent_that_does_nothing_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pepperpy.worker"):
        assert announced(Agent("idle")) == []
    assert "worker.nothing_to_do" in caplog.text
    listening = Agent("listening")
    caplog.clear()

    @listening.on("task.failed.>")
    async def hear(event: dict[str, str]) -> None:
        pass

    assert announced(listening) == []
    assert caplog.text == ""
