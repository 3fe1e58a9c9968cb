from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Agent
from pepperpy_bus.units import BadUnit
from pepperpy_schemas.errors import BadConfig, BadName, BadPayload, PepperError


async def plain(data: str) -> str:
    return data


def test_a_decorated_function_stays_itself() -> None:
    agent = Agent("a")
    assert agent.task("t")(plain) is plain
    assert agent.on("task.failed.*")(plain) is plain


def test_a_task_has_sensible_defaults() -> None:
    agent = Agent("a")
    agent.task("t")(plain)
    spec = agent.tasks["t"]
    assert (spec.retry.retries, spec.retry.delay, spec.timeout, spec.concurrency) == (
        2,
        1.0,
        600.0,
        None,
    )


def test_durations_are_written_as_everywhere() -> None:
    agent = Agent("a")
    agent.task("t", retry_delay="250ms", timeout="5m")(plain)
    agent.task("ever", timeout=None)(plain)
    assert agent.tasks["t"].retry.delay == 0.25
    assert agent.tasks["t"].timeout == 300.0
    assert agent.tasks["ever"].timeout is None


def test_one_exception_or_several_are_worth_a_repeat() -> None:
    agent = Agent("a")
    agent.task("one", retry_on=OSError)(plain)
    agent.task("two", retry_on=(OSError, ValueError))(plain)
    assert agent.tasks["one"].retry.only == (OSError,)
    assert agent.tasks["two"].retry.only == (OSError, ValueError)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a*", "x" * 65, "ä"])
def test_a_name_is_one_token(name: str) -> None:
    with pytest.raises(BadName, match="agent name"):
        Agent(name)


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "1.2.3.4", "latest"])
def test_a_version_is_semantic(version: str) -> None:
    with pytest.raises(BadConfig, match="not a semantic version") as caught:
        Agent("a", version=version)
    assert "1.2.0" in caught.value.hint


def test_semantic_versions_are_taken_with_their_tails() -> None:
    assert Agent("a", version="1.2.3-rc.1+build.7").version == "1.2.3-rc.1+build.7"


def test_a_capability_is_one_token() -> None:
    assert Agent("a", capabilities=["ocr", "pdf"]).capabilities == ("ocr", "pdf")
    with pytest.raises(BadName, match="capability"):
        Agent("a", capabilities=["o c r"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"retries": -1}, BadConfig, "retries is -1"),
        ({"retries": "3"}, BadConfig, "retries is '3'"),
        ({"concurrency": 1.5}, BadConfig, "concurrency is 1.5"),
        ({"concurrency": 0}, BadConfig, "concurrency is 0"),
        ({"timeout": 0}, BadConfig, "timeout is 0"),
        ({"timeout": "soon"}, BadUnit, "soon"),
        ({"retry_delay": -1}, BadUnit, "out of range"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    options: dict[str, Any], error: type[PepperError], words: str
) -> None:
    with pytest.raises(error, match=words):
        Agent("a").task("t", **options)


@pytest.mark.parametrize("topic", ["a.b", "", "echo-hi", "a b"])
def test_a_topic_is_one_token_that_names_no_lane(topic: str) -> None:
    with pytest.raises(BadName, match="topic"):
        Agent("a").task(topic)


def test_a_topic_has_one_handler() -> None:
    agent = Agent("a")
    agent.task("t")(plain)
    with pytest.raises(BadConfig, match="topic t of agent a has a handler: plain"):
        agent.task("t")(plain)


@pytest.mark.parametrize("pattern", ["a b", "a..b", "a.>.b", "a.b.c.d.e"])
def test_a_listener_has_a_valid_pattern(pattern: str) -> None:
    with pytest.raises(BadName):
        Agent("a").on(pattern)


def test_a_listener_has_a_readable_condition() -> None:
    with pytest.raises(BadPayload):
        Agent("a").on("task.*", where="data.code ==")


def test_two_listeners_have_two_names() -> None:
    agent = Agent("a")
    agent.on("task.failed")(plain)
    with pytest.raises(BadConfig, match="two listeners named plain"):
        agent.on("task.completed")(plain)


def test_a_listener_without_a_name_is_refused() -> None:
    nameless: Callable[[Any], Any] = lambda event: None  # noqa: E731
    with pytest.raises(BadName, match="listener name"):
        Agent("a").on("task.failed")(nameless)


def test_hooks_are_kept_in_order_and_stay_themselves() -> None:
    agent = Agent("a")

    def first() -> None: ...
    def second() -> None: ...

    assert agent.on_start(first) is first
    assert agent.on_stop(second) is second
    assert (agent.start_hooks, agent.stop_hooks) == ([first], [second])


def test_an_agent_shows_what_it_is() -> None:
    agent = Agent("a", version="1.0.0")
    agent.task("t")(plain)
    assert repr(agent) == "Agent('a', version='1.0.0', topics=['t'])"
