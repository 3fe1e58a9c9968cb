"""Tasks under anything that may happen to them, in any order (R18); see `model`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pepperpy.stack.broker import Broker
from tests.acceptance.chaos import LONG
from tests.acceptance.faults.model import Example, Site

EXAMPLES = 5000 if LONG else 150
STEPS = 50
RESTARTS = 200 if LONG else 5
"""How often the broker is killed at most."""

WHICH = st.integers(0, 99)
WORKER = st.integers(0, 1)
Running = Callable[[Awaitable[Any]], Any]


@pytest.fixture
def site(own_broker: Broker, prefix: str) -> Iterator[tuple[Site, Running]]:
    with asyncio.Runner() as runner:
        one = Site(own_broker, prefix)
        runner.run(one.open())
        yield one, lambda doing: runner.run(_awaited(doing))
        runner.run(one.close())


async def _awaited(doing: Awaitable[Any]) -> Any:
    return await doing


def test_whatever_happens_every_task_ends_once(site: tuple[Site, Running]) -> None:
    """Nothing is left out when it is impossible: it does nothing then."""
    bench, run = site

    class Tasks(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.example = Example(bench)
            run(self.example.open())

        @rule()
        def submit(self) -> None:
            # Few enough that much happens to each.
            if len(self.example.tasks) < 4:
                run(self.example.submit(len(self.example.tasks)))

        @rule(which=WHICH)
        def submit_again(self, which: int) -> None:
            if tasks := self.example.tasks:
                run(self.example.submit(which % len(tasks)))

        @rule(worker=WORKER)
        def pull(self, worker: int) -> None:
            run(self.example.pull(bench.posts[worker]))

        @rule(which=WHICH, order=st.sampled_from(["step", "step", "finish", "fail", "give up"]))
        def order(self, which: int, order: str) -> None:
            if runs := self.example.runs:
                run(self.example.order(runs[which % len(runs)], order))

        @rule(which=WHICH)
        def expire(self, which: int) -> None:
            if deliveries := self.example.deliveries:
                run(self.example.expire(deliveries[which % len(deliveries)]))

        @rule(which=WHICH)
        def term(self, which: int) -> None:
            if deliveries := self.example.deliveries:
                run(self.example.term(deliveries[which % len(deliveries)]))

        @rule(which=WHICH)
        def cancel(self, which: int) -> None:
            if tasks := self.example.tasks:
                run(self.example.cancel(list(tasks)[which % len(tasks)]))

        @rule(worker=WORKER)
        def crash(self, worker: int) -> None:
            run(self.example.crash(worker))

        @rule()
        def restart(self) -> None:
            if self.example.tasks and bench.restarts < RESTARTS:
                run(bench.restart())

        @invariant()
        def what_left_the_queue_has_a_result(self) -> None:
            run(self.example.look())

        def teardown(self) -> None:
            run(self.example.finish())

    run_state_machine_as_test(
        Tasks,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=not LONG,
            # A failure takes seconds each time: to look for a shorter one would take hours.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{bench.examples} examples of {STEPS} steps, {bench.restarts} restarts: {bench.counts}")
    assert bench.counts.keys() > {"completed", "failed", "rejected", "canceled", "second copies"}
