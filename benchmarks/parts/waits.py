"""How soon tasks go on that wait without a slot: for an answer, for their children."""

import asyncio
import time

from benchmarks.contenders import full_loop
from benchmarks.parts.ground import Figures, Ground, Spread, milliseconds, python, until, worker

SETTLE_SECONDS = 0.02


async def waits(ground: Ground) -> Figures:
    """Times answers and children, in turn with plain tasks of a loop written by hand.

    An answer counts from its call to the line after the question, children from the first one's
    submission to the line that has all results, and, where the parent was suspended, from the
    child's end. Tasks run in a worker's own process.
    """
    timings: list[list[float]] = [[] for _ in range(5)]
    by_hand = ("-m", "benchmarks.contenders.full_loop", "worker", ground.broker.url)
    with worker(ground.broker), python(*by_hand, broker=ground.broker):
        async with full_loop.client(ground.broker.url) as run_task:
            for turn in range(3 + 2 * ground.samples):
                seen = (
                    await _answered(ground),
                    await ground.bus.run("parent", 1) / 1e6,
                    await ground.bus.run("parent", 10) / 1e6,
                    await ground.bus.run("patient-parent") / 1e6,
                    await milliseconds(run_task),
                )
                if turn >= 3:
                    for found, one in zip(timings, seen, strict=True):
                        found.append(one)
    answer, child, ten, woken, task = map(Spread.of, timings)
    return {
        "answer_p50_ms": answer.p50,
        "answer_p99_ms": answer.p99,
        "answer_vs_task": answer.p50 / task.p50,
        "child_p50_ms": child.p50,
        "child_p99_ms": child.p99,
        "child_vs_task": child.p50 / task.p50,
        "children_10_p50_ms": ten.p50,
        "parent_resumed_p50_ms": woken.p50,
        "parent_resumed_p99_ms": woken.p99,
        "parent_resumed_vs_task": woken.p50 / task.p50,
    }


async def _answered(ground: Ground) -> float:
    task_id = await ground.bus.submit("ask")
    await until(lambda: ground.bus.question(task_id))
    await asyncio.sleep(SETTLE_SECONDS)
    began = time.monotonic_ns()
    await ground.bus.answer(task_id, "yes")
    return float(await ground.bus.result(task_id, wait=60) - began) / 1e6
