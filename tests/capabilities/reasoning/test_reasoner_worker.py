"""The stock agent in a process of its own, whatever it is asked."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_schemas.errors import (
    BadPayload,
    BadProblem,
    BadRule,
    Canceled,
    Contradiction,
    PepperError,
    TooBig,
    TooLong,
    UnsafeRule,
)
from pepperpy_schemas.patterns import PATTERNS, Matches
from pepperpy_schemas.rules import RULES, Deduced, RulesProblem

REASONER = "pepperpy_capabilities.reasoning.reasoner_agent:agent"
NESTED = "p(" + "f(" * 100_000 + "1" + ")" * 100_000 + ")."

MALFORMED: list[tuple[str, dict[str, Any], type[PepperError]]] = [
    (RULES, {"rules": "p(X) :- not q(X).", "query": "p(X)"}, UnsafeRule),
    (RULES, {"rules": "a. :- a.", "query": "a"}, Contradiction),
    (RULES, {"rules": "a(", "query": "a"}, BadRule),
    (RULES, {"rules": "#script (lua) os.exit(1) #end.", "query": "a"}, BadRule),
    (RULES, {"rules": NESTED, "query": "a"}, TooBig),
    (RULES, {"rules": "n(0). n(X+1) :- n(X).", "query": "n(5)", "seconds": 3}, TooLong),
    (RULES, {"rules": "a." * 5_000_000, "query": "a"}, BadPayload),
    (RULES, {"rules": "a.", "query": "a", "seconds": "long"}, BadPayload),
    (RULES, {"rules": "a."}, BadPayload),
    (PATTERNS, {"records": [{}], "find": []}, BadPayload),
    (PATTERNS, {"records": [{"at": "noon"}], "find": [{}], "time": "at"}, BadProblem),
    (
        PATTERNS,
        {
            "records": [{"at": n} for n in range(200)],
            "find": [{}] * 16,
            "time": "at",
            "where": "never == 1",
            "seconds": 3,
        },
        TooLong,
    ),
]
GOOD = {"rules": "b(X) :- a(X).", "facts": {"a": [[1]]}, "query": "b(X)"}


async def test_nothing_that_is_asked_takes_the_worker_down(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    worker = workers(broker.url, REASONER)
    ids = [await client.submit(topic, data) for topic, data, _ in MALFORMED]
    for task_id, (_, _, error) in zip(ids, MALFORMED, strict=True):
        with pytest.raises(error):
            await client.result(task_id, wait="2m")
    answer = await client.run(RULES, GOOD, type=Deduced, wait="1m")
    assert [one.values for one in answer.answers] == [{"X": 1}]
    found = await client.run(
        PATTERNS, {"records": [{"n": 1}], "find": [{"fits": {"n": "?n"}}]}, type=Matches, wait="1m"
    )
    assert [one.values for one in found.matches] == [{"n": 1}]
    assert worker.code is None


async def test_a_canceled_problem_ends_and_the_next_is_solved(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    worker = workers(broker.url, REASONER)
    await client.run(RULES, GOOD, wait="1m")
    endless = RulesProblem(rules="n(0). n(X+1) :- n(X).", query="n(5)", seconds=600)
    ids = [await client.submit(RULES, endless) for _ in range(4)]
    async with asyncio.timeout(30):
        async for event in client.events("task.started.*", since="1m"):
            if event.id == ids[-1]:
                break
    for task_id in ids:
        await client.cancel(task_id)
    for task_id in ids:
        with pytest.raises(Canceled):
            await client.result(task_id, wait="30s")
    answer = await client.run(RULES, GOOD, type=Deduced, wait="1m")
    assert answer.explanation.startswith("1 answer")
    assert worker.code is None


async def test_a_problem_ends_before_the_deadline_of_its_task(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    workers(broker.url, REASONER)
    await client.run(RULES, GOOD, wait="1m")
    endless = RulesProblem(rules="n(0). n(X+1) :- n(X).", query="n(5)", seconds=600)
    with pytest.raises(PepperError) as caught:
        await client.run(RULES, endless, timeout="3s", wait="1m")
    assert caught.value.code in ("too_long", "deadline_exceeded")
