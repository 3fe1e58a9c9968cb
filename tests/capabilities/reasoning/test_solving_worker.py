"""Decisions and constraint problems as tasks: answered on their topics, whatever they are."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_schemas.constraints import CONSTRAINTS, ConstraintAnswer
from pepperpy_schemas.decisions import DECISION, Decision
from pepperpy_schemas.errors import (
    BadPayload,
    BadProblem,
    Canceled,
    PepperError,
    TooBig,
    TooLong,
    Unbounded,
)
from tests.capabilities.reasoning.constraints.puzzles import (
    FT06,
    job_shop,
    problem,
    queens,
    whole,
    zebra,
)
from tests.capabilities.reasoning.constraints.test_constraint_reasoner import market_split
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, decision

REASONER = "pepperpy_capabilities.reasoning.reasoner_agent:agent"
X = {"x": {"kind": "int", "low": 0, "high": 9}}
ONE = {"criteria": [{"name": "a"}], "options": [{"name": "x", "values": {"a": 1}}]}
LONG = " + ".join(["x"] * 25_000)

MALFORMED: list[tuple[str, Any, type[PepperError]]] = [
    (DECISION, {**ONE, "options": []}, BadPayload),
    (DECISION, {**ONE, "criteria": [{"name": "a", "weight": -1}]}, BadProblem),
    (DECISION, {**ONE, "criteria": [{"name": "a", "weight": 0}]}, BadProblem),
    (DECISION, {**ONE, "options": [{"name": "x", "values": {"a": None}}]}, BadProblem),
    (DECISION, {**ONE, "options": [{"name": "x", "values": {"a": "much"}}]}, BadPayload),
    (DECISION, {**ONE, "options": [{"name": "x", "values": {"a": 1}}] * 1001}, BadPayload),
    (CONSTRAINTS, {"variables": {}}, BadPayload),
    (CONSTRAINTS, {"variables": {"x": {"kind": "int"}}}, Unbounded),
    (CONSTRAINTS, {"variables": {"x": {"kind": "int", "low": 0, "high": 2**60}}}, TooBig),
    (CONSTRAINTS, {"variables": X, "maximize": "y"}, BadProblem),
    (
        CONSTRAINTS,
        {"variables": X, "constraints": [{"kind": "linear", "holds": "x <= (" * 9000}]},
        BadProblem,
    ),
    (  # 10 MB: what it counts is refused before anything is built of it
        CONSTRAINTS,
        {"variables": X, "constraints": [{"kind": "linear", "holds": f"{LONG} <= 1"}] * 100},
        BadPayload,
    ),
    (
        CONSTRAINTS,
        {"variables": X, "constraints": [{"kind": "linear", "holds": "x <= 1"}] * 250_000},
        BadPayload,
    ),
    (
        CONSTRAINTS,
        {
            "variables": X,
            "constraints": [{"kind": "table", "of": ["x"] * 200, "rows": [[1] * 200] * 6000}],
        },
        TooBig,
    ),
    (CONSTRAINTS, msgspec.structs.replace(market_split(5, 40), seconds=3), TooLong),
]


async def test_what_others_have_published_is_answered_over_the_bus(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    workers(broker.url, REASONER)
    ranked = await client.run(DECISION, AIRCRAFT, type=Decision, wait="1m")
    assert [one.option for one in ranked.ranking] == ["A1", "A3", "A4", "A2"]
    lives = await client.run(
        CONSTRAINTS, zebra(ask="all", seconds=60), type=ConstraintAnswer, wait="1m"
    )
    assert lives.solutions[0].values["zebra"] == lives.solutions[0].values["Japanese"]
    shop = await client.run(
        CONSTRAINTS, job_shop(FT06, 200, seconds=60), type=ConstraintAnswer, wait="1m"
    )
    assert (shop.status, shop.objective) == ("optimal", 55)
    short = await client.run(
        CONSTRAINTS, job_shop(FT06, 54, seconds=60), type=ConstraintAnswer, wait="1m"
    )
    assert (short.status, short.minimal) == ("infeasible", True)


async def test_nothing_that_is_asked_takes_the_worker_down(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    worker = workers(broker.url, REASONER)
    ids = [await client.submit(topic, data) for topic, data, _ in MALFORMED]
    for task_id, (_, _, error) in zip(ids, MALFORMED, strict=True):
        with pytest.raises(error):
            await client.result(task_id, wait="2m")
    answer = await client.run(
        CONSTRAINTS, queens(6, ask="all", seconds=60), type=ConstraintAnswer, wait="1m"
    )
    assert len(answer.solutions) == 4
    assert worker.code is None


async def test_an_answer_of_many_megabytes_arrives(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    workers(broker.url, REASONER)
    many = problem(
        {f"a_variable_with_a_long_name_{n}": whole(0, 1) for n in range(14)},
        [],
        ask="all",
        limit=10_000,
        seconds=120,
    )
    answer = await client.run(CONSTRAINTS, many, type=ConstraintAnswer, wait="3m")
    assert (len(answer.solutions), answer.complete) == (10_000, False)
    rows: dict[str, list[float | None]] = {f"option {n}": [n, -n, n % 7] for n in range(1000)}
    criteria = {"a": ("more", 1.0), "b": ("more", 2.0), "c": ("less", 3.0)}
    ranked = await client.run(
        DECISION, decision(criteria, rows, seconds=120), type=Decision, wait="3m"
    )
    assert len(ranked.ranking) == 1000


async def test_a_search_that_is_canceled_ends_and_the_next_is_solved(
    broker: Broker, client: Client, workers: Callable[..., Any]
) -> None:
    worker = workers(broker.url, REASONER)
    await client.run(CONSTRAINTS, queens(4, seconds=60), wait="1m")
    endless = msgspec.structs.replace(market_split(5, 40), seconds=600)
    ids = [await client.submit(CONSTRAINTS, endless) for _ in range(4)]
    async with asyncio.timeout(60):
        async for event in client.events("task.started.*", since="1m"):
            if event.id == ids[-1]:
                break
    for task_id in ids:
        await client.cancel(task_id)
    for task_id in ids:
        with pytest.raises(Canceled):
            await client.result(task_id, wait="30s")
    answer = await client.run(CONSTRAINTS, queens(8, seconds=60), type=ConstraintAnswer, wait="1m")
    assert answer.status == "feasible"
    assert worker.code is None
