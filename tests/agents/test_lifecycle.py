import asyncio
import itertools
import logging

import pytest

from pepperpy_agents.lifecycle import Lifecycle, State
from pepperpy_schemas.errors import IllegalTransition

S = State
WAYS = {
    S.INITIALIZED: [],
    S.STARTING: [S.STARTING],
    S.RUNNING: [S.STARTING, S.RUNNING],
    S.PAUSED: [S.STARTING, S.RUNNING, S.PAUSED],
    S.STOPPING: [S.STARTING, S.RUNNING, S.STOPPING],
    S.STOPPED: [S.STARTING, S.RUNNING, S.STOPPING, S.STOPPED],
    S.ERROR: [S.ERROR],
}
LEGAL = {
    (S.INITIALIZED, S.STARTING),
    (S.STARTING, S.RUNNING),
    (S.STARTING, S.STOPPING),
    (S.RUNNING, S.PAUSED),
    (S.RUNNING, S.STOPPING),
    (S.PAUSED, S.RUNNING),
    (S.PAUSED, S.STOPPING),
    (S.STOPPING, S.STOPPED),
    (S.ERROR, S.STARTING),
    (S.ERROR, S.STOPPED),
    *((state, S.ERROR) for state in S if state is not S.ERROR),
}


async def in_state(state: State) -> Lifecycle:
    life = Lifecycle()
    for step in WAYS[state]:
        await life.to(step)
    assert life.state is state
    return life


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL))
async def test_a_legal_way_is_taken_and_told(before: State, after: State) -> None:
    life = await in_state(before)
    told: list[tuple[State, State]] = []
    life.on_transition(lambda old, new: told.append((old, new)))
    await life.to(after)
    assert life.state is after
    assert told == [(before, after)]


@pytest.mark.parametrize(("before", "after"), sorted(set(itertools.product(State, State)) - LEGAL))
async def test_an_illegal_way_is_refused_and_changes_nothing(before: State, after: State) -> None:
    life = await in_state(before)
    told: list[State] = []
    life.on_transition(lambda old, new: told.append(new))
    with pytest.raises(IllegalTransition, match=f"from {before} to {after}") as caught:
        await life.to(after)
    assert caught.value.context == {"from": before.value, "to": after.value}
    assert life.state is before
    assert not told


async def test_hooks_run_in_order_and_are_awaited() -> None:
    life, told = Lifecycle(), []

    @life.on_transition
    async def slow(before: State, after: State) -> None:
        await asyncio.sleep(0)
        told.append("slow")

    life.on_transition(lambda before, after: told.append("quick"))
    await life.to(S.STARTING)
    assert told == ["slow", "quick"]


async def test_a_failing_hook_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    life, told = Lifecycle(), []

    @life.on_transition
    def broken(before: State, after: State) -> None:
        raise RuntimeError("oops")

    life.on_transition(lambda before, after: told.append(after))
    with caplog.at_level(logging.ERROR):
        await life.to(S.STARTING)
    assert told == [S.STARTING]
    assert "lifecycle.hook_failed" in caplog.text
    assert "oops" in caplog.text


async def test_changes_happen_one_after_the_other() -> None:
    life, told = Lifecycle(), []

    @life.on_transition
    async def hook(before: State, after: State) -> None:
        told.append(("begin", after))
        await asyncio.sleep(0)
        told.append(("end", after))

    await asyncio.gather(life.to(S.STARTING), life.to(S.RUNNING))
    assert told == [
        ("begin", S.STARTING),
        ("end", S.STARTING),
        ("begin", S.RUNNING),
        ("end", S.RUNNING),
    ]
