"""What an agent costs to declare, and a change of its instance's state."""

import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import msgspec

from benchmarks.parts.ground import Figures, Ground, in_turn
from pepperpy import Agent, Context
from pepperpy_agents.lifecycle import Lifecycle, State

STREAM, SUBJECT = "BENCH_TOLD", "bench.told"


class Order(msgspec.Struct):
    """The input of a task."""

    customer: str
    amount: float = 0.0


async def handle(order: Order, ctx: Context) -> Order:  # noqa: ARG001
    """Gives back what it was given."""
    return order


def declare() -> Agent:
    """Declares an agent of five tasks."""
    agent = Agent("shop", version="1.0.0", capabilities=["selling"])
    for n in range(5):
        agent.task(f"shop-{n}", retries=3, timeout="5m")(handle)
    return agent


async def creation(ground: Ground) -> Figures:
    """Times the declaration of an agent: the types of each handler are read."""
    del ground
    return {"agent_creation_us": median(_us(declare, 100) for _ in range(9))}


def _us(operation: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        operation()
    return (time.perf_counter() - began) / times * 1e6


async def transitions(ground: Ground) -> Figures:
    """Times changes of state: with three hooks, with an event, and until the broker has it."""
    quiet, heard = _with_hooks(), _with_hooks()
    js = ground.raw.jetstream()
    await js.add_stream(name=STREAM, subjects=[SUBJECT])
    async with ground.bus.emitter() as emitter:

        async def tell(before: State, after: State) -> None:
            await emitter.emit(
                "agent",
                after.value,
                scope="shop",
                id="bench",
                data={"from": before.value, "version": "1.0.0"},
                certain=True,
            )

        async def told() -> None:
            await _pause_or_resume(heard)
            assert await emitter.flush()

        plain = [await _change_us(quiet, 500) for _ in range(9)]
        heard.on_transition(tell)
        with_event = []
        for _ in range(9):
            with_event.append(await _change_us(heard, 100))
            await emitter.flush()
        stored, by_hand = await in_turn(
            10 * ground.samples, told, lambda: js.publish(SUBJECT, b"{}")
        )
    return {
        "transition_us": median(plain),
        "transition_event_us": median(with_event),
        "transition_stored_p50_ms": stored.p50,
        "transition_stored_vs_publish": stored.p50 / by_hand.p50,
    }


def _with_hooks() -> Lifecycle:
    lifecycle = Lifecycle()
    lifecycle.state = State.RUNNING

    async def waits(before: State, after: State) -> None: ...

    def counts(before: State, after: State) -> None: ...

    hooks: tuple[Callable[[State, State], Any], ...] = (counts, waits, counts)
    for hook in hooks:
        lifecycle.on_transition(hook)
    return lifecycle


def _pause_or_resume(lifecycle: Lifecycle) -> Awaitable[None]:
    running = lifecycle.state is State.RUNNING
    return lifecycle.to(State.PAUSED if running else State.RUNNING)


async def _change_us(lifecycle: Lifecycle, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await _pause_or_resume(lifecycle)
    return (time.perf_counter() - began) / times * 1e6
