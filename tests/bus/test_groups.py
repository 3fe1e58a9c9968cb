import asyncio

import pytest

from pepperpy_bus.groups import TaskGroup, outlast
from pepperpy_schemas.errors import Unavailable

Crashes = list[tuple[str, BaseException]]


def group_of(limit: int, crashes: Crashes | None = None) -> TaskGroup:
    seen: Crashes = [] if crashes is None else crashes
    return TaskGroup("work", limit=limit, on_crash=lambda name, error: seen.append((name, error)))


async def pause() -> None:
    await asyncio.Event().wait()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_no_more_tasks_run_than_there_are_slots() -> None:
    running = peak = done = 0

    async def work() -> None:
        nonlocal running, peak, done
        running += 1
        peak = max(peak, running)
        await turns()
        running -= 1
        done += 1

    async with group_of(3) as group:
        for number in range(20):
            await group.spawn(work, name=str(number))
    assert (peak, done) == (3, 20)


async def test_many_that_wait_for_one_slot_all_get_it_in_turn() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await turns()
        done.append(number)

    async with group_of(1) as group:
        await asyncio.gather(
            *(group.spawn(lambda n=n: work(n), name=str(n)) for n in range(10))  # type: ignore[misc]
        )
    assert sorted(done) == list(range(10))


async def test_a_full_group_refuses_without_making_the_coroutine() -> None:
    group = group_of(1)
    task = group.try_spawn(pause, name="first")
    assert task is not None
    assert task.get_name() == "work:first"
    assert group.try_spawn(lambda: pytest.fail("made"), name="second") is None
    assert (group.running, group.free) == (1, 0)
    assert await group.cancel() == []
    assert task.cancelled()


async def test_a_crash_is_reported_by_name_and_the_others_live() -> None:
    crashes: Crashes = []
    go = asyncio.Event()

    async def crash() -> None:
        raise ZeroDivisionError

    async def work() -> str:
        await go.wait()
        return "done"

    async with group_of(2, crashes) as group:
        worker = await group.spawn(work, name="steady")
        await group.spawn(crash, name="broken")
        await turns()
        go.set()
    assert worker.result() == "done"
    assert [(name, type(error)) for name, error in crashes] == [("work:broken", ZeroDivisionError)]


async def test_drain_tells_what_does_not_end_in_time_and_cancel_ends_it() -> None:
    group = group_of(2)
    await group.spawn(pause, name="endless")
    assert await group.drain(timeout=0.01) is False
    assert group.running == 1
    assert await group.cancel() == []
    assert group.running == 0
    assert await group.drain() is True


async def test_a_closed_group_takes_nothing_and_wakes_who_waits() -> None:
    group = group_of(1)
    await group.spawn(pause, name="first")
    waiting = asyncio.create_task(group.spawn(pause, name="second"))
    await turns()
    await group.cancel()
    with pytest.raises(Unavailable, match="draining"):
        await waiting
    assert group.try_spawn(pause, name="third") is None
    assert group.free == 0


async def test_a_task_that_suppresses_its_cancellation_is_named() -> None:
    go = asyncio.Event()

    async def stubborn() -> None:
        try:
            await pause()
        except asyncio.CancelledError:
            await go.wait()

    group = group_of(1)
    task = await group.spawn(stubborn, name="stubborn")
    await turns()
    assert await group.cancel(timeout=0.01) == ["work:stubborn"]
    go.set()
    await task


async def test_leaving_by_an_error_cancels_what_runs() -> None:
    group = group_of(1)
    task = None
    with pytest.raises(KeyError):  # noqa: PT012
        async with group:
            task = await group.spawn(pause, name="first")
            raise KeyError
    assert task is not None
    assert task.cancelled()


async def test_leaving_while_cancelled_leaves_no_task() -> None:
    group = group_of(1)

    async def owner() -> None:
        async with group:
            await group.spawn(pause, name="first")

    task = asyncio.create_task(owner())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert group.running == 0


async def test_a_task_of_the_group_may_cancel_the_group() -> None:
    group = group_of(2)
    other = await group.spawn(pause, name="other")
    last = await group.spawn(group.cancel, name="last")
    assert await last == []
    assert other.cancelled()


async def test_a_raised_limit_lets_waiting_ones_start() -> None:
    group = group_of(1)
    await group.spawn(pause, name="first")
    waiting = asyncio.create_task(group.spawn(pause, name="second"))
    await turns()
    assert not waiting.done()
    group.resize(2)
    await waiting
    assert (group.limit, group.running) == (2, 2)
    group.resize(1)
    assert (group.free, group.running) == (0, 2)
    await group.cancel()


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        group_of(0)


async def test_who_outlasts_a_task_waits_through_cancellations_and_ends_by_them() -> None:
    end = asyncio.Event()
    waited = asyncio.create_task(end.wait())
    waiting = asyncio.create_task(outlast(waited))
    for _ in range(3):
        await turns()
        waiting.cancel()
    await turns()
    assert not waiting.done()
    end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert waited.result()
    await outlast(waited)
