"""Many timers over one of the loop's, and the limit of a block."""

import asyncio

import pytest

from pepperpy_bus.timers import Timers, time_limit


@pytest.fixture
async def timers() -> Timers:
    return Timers(asyncio.get_running_loop())


async def test_timers_ring_in_their_time_whatever_order_they_were_started_in(
    timers: Timers,
) -> None:
    now = asyncio.get_running_loop().time
    start, rung = now(), asyncio.Queue[tuple[float, float]]()
    for seconds in (0.2, 0.05, 0.1):
        timers.start(seconds, lambda s=seconds: rung.put_nowait((s, now() - start)))  # type: ignore[misc]
    order = [await asyncio.wait_for(rung.get(), 5) for _ in range(3)]
    assert [seconds for seconds, _ in order] == [0.05, 0.1, 0.2]
    assert all(passed >= seconds - 0.005 for seconds, passed in order)


async def test_a_canceled_timer_does_not_ring_and_cancels_twice(timers: Timers) -> None:
    rung: list[str] = []
    done = asyncio.Event()
    early = timers.start(0.02, lambda: rung.append("early"))
    timers.start(0.06, done.set)
    timers.cancel(early)
    timers.cancel(early)
    await asyncio.wait_for(done.wait(), 5)
    assert not rung


async def test_a_timer_may_start_and_cancel_others(timers: Timers) -> None:
    rung: list[str] = []
    done = asyncio.Event()

    def ring() -> None:
        timers.cancel(timers.start(0.01, lambda: rung.append("canceled")))
        timers.start(0.02, done.set)

    timers.start(0.01, ring)
    await asyncio.wait_for(done.wait(), 5)
    assert not rung


async def test_a_block_that_takes_too_long_times_out_and_the_task_goes_on(timers: Timers) -> None:
    limit = time_limit(timers, 0.02)
    with pytest.raises(TimeoutError), limit:
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert limit.expired
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_in_time_is_left_alone(timers: Timers) -> None:
    with time_limit(timers, 0.02) as limit:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert not limit.expired


async def test_an_error_of_the_block_comes_through_also_after_its_time(timers: Timers) -> None:
    limit = time_limit(timers, 0.02)

    async def work() -> None:
        with limit:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await work()
    assert limit.expired


async def test_a_cancellation_by_others_is_not_taken_for_the_limit(timers: Timers) -> None:
    canceled_too = asyncio.Event()

    async def work() -> None:
        with time_limit(timers, 0.02):
            try:
                await asyncio.Event().wait()
            finally:
                canceled_too.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(work(), name="work")
    await asyncio.wait_for(canceled_too.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
