"""Bandits at the stock agent `learner`, in a process of its own: asked well and badly."""

from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_schemas.errors import BadExample, BadPayload, BadProblem, PepperError, TooBig
from pepperpy_schemas.learning_bandits import BanditAnswer, BanditRequest, Pull, Pulling

LEARNER = "pepperpy_capabilities.learning.learner_agent:agent"
TOPIC = "learn-bandit"


def pull(**more: Any) -> dict[str, Any]:
    return {"do": "learn", "name": "b", "examples": [{"arm": "a", "reward": 0.5, **more}]}


MALFORMED: list[tuple[dict[str, Any], type[PepperError]]] = [
    ({"do": "pull"}, BadPayload),
    (pull(reward="NaN"), BadPayload),
    (pull(reward=1e10), BadExample),
    (pull(reward=1.5), BadExample),
    (pull(arm=""), BadPayload),
    (pull(features={"size": 3}), BadExample),
    (pull(features={f"f{n}": True for n in range(33)}), BadExample),
    (pull(arm="never pulled", was=0.5), BadExample),
    ({**pull(), "options": {"window": 5, "discount": 0.5}}, BadProblem),
    ({**pull(), "options": {"discount": 0}}, BadPayload),
    ({**pull(), "examples": [{"arm": str(n), "reward": 1} for n in range(101)]}, TooBig),
]


async def test_a_bandit_is_asked_on_its_topic_and_nothing_takes_the_worker_down(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    workers(broker.url, LEARNER)
    request = BanditRequest(
        do="learn",
        name="b",
        examples=[Pull(arm="a", reward=1.0)] * 30 + [Pull(arm="b", reward=0.0)] * 30,
        asked=[Pulling(seed=seed) for seed in range(20)],
    )
    answer = await client.run(TOPIC, request, type=BanditAnswer, wait="60s")
    assert (answer.version, answer.learned) == (1, 60)
    assert {one.arm for one in answer.guesses} == {"a"}
    assert "a: value 0.969" in answer.guesses[0].explanation
    for body, error in MALFORMED:
        with pytest.raises(error):
            await client.run(TOPIC, body, wait="60s")
    predict = BanditRequest(do="predict", name="b", asked=request.asked)
    again = await client.run(TOPIC, predict, type=BanditAnswer, wait="60s")
    assert (again.version, again.guesses) == (1, answer.guesses)
