import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no stubs
import pytest

from pepperpy import Agent, Client
from pepperpy_agents.loading import load_agent
from pepperpy_schemas.errors import HandlerError, TaskTimeout, Unavailable
from tests.running import gone

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


@pytest.fixture
def crunching(monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return load_agent(str(Path(__file__).parent / "crunching.py"))


async def test_blocking_handlers_run_at_once_in_threads_and_leave_the_loop_free(
    client: Client, working: Working
) -> None:
    agent, together = Agent("threads"), threading.Barrier(4, timeout=5)

    @agent.task("meet")
    def meet(data: None) -> str:
        together.wait()
        return threading.current_thread().name

    async with working(agent, concurrency=4):
        names = await asyncio.gather(*(client.run("meet", wait=8) for _ in range(4)))
    assert len(set(names)) == 4


async def test_a_thread_that_overruns_is_given_up_and_repeated(
    client: Client, working: Working
) -> None:
    agent, calls, release = Agent("threads"), [], threading.Event()

    @agent.task("block", timeout=0.3, retries=1, retry_delay=0.01)
    def block(data: None) -> str:
        calls.append(1)
        if len(calls) == 1:
            release.wait(10)
        return "second"

    async with working(agent):
        assert await client.run("block", wait=5) == "second"
        release.set()


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (StopIteration("x"), "the handler raised StopIteration"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
async def test_an_unusual_exception_in_a_thread_fails_the_task_at_once(
    client: Client, working: Working, raised: BaseException, message: str
) -> None:
    agent = Agent("threads")

    @agent.task("odd", retries=0)
    def odd(data: None) -> None:
        raise raised

    async with working(agent):
        with pytest.raises(HandlerError, match=message):
            await client.run("odd", wait=5)


async def test_a_computing_handler_runs_in_another_process(
    client: Client, working: Working, crunching: Agent
) -> None:
    async with working(crunching):
        assert await client.run("square", 12, wait=20) == 144
        assert await client.run("pid", wait=20) != os.getpid()
        with pytest.raises(HandlerError, match="StopIteration"):
            await client.run("stop", wait=20)


async def test_a_process_that_dies_is_repeated_and_then_given_up(
    client: Client, working: Working, crunching: Agent, seen: Any
) -> None:
    async with working(crunching):
        with pytest.raises(Unavailable, match="crash ended before it was done"):
            await client.run("crash", wait=20)
        assert await client.run("square", 3, wait=20) == 9
    assert len((await seen.letter("crash")).letter.attempts) == 2


async def test_a_process_that_overruns_is_killed_and_the_others_are_repeated(
    client: Client,
    working: Working,
    crunching: Agent,
    tmp_path: Path,
    seen: Any,
    eventually: Eventually,
) -> None:
    async with working(crunching):
        await client.run("square", 1, wait=20)  # the processes are there
        endless = await client.submit("spin", {"folder": str(tmp_path), "seconds": 600})
        await eventually(lambda: list(tmp_path.iterdir()))
        spinning = int(next(tmp_path.iterdir()).name.split("-")[1])
        await eventually(lambda: not psutil.pid_exists(spinning) or _zombie(spinning))
        # Waits for a process, or runs, while the second attempt of the other is killed.
        short = await client.submit("patient", {"folder": str(tmp_path), "seconds": 0.1})
        with pytest.raises(TaskTimeout):
            await client.result(endless, wait=20)
        assert await client.result(short, wait=20) == "done"
    attempts = (await seen.letter("spin")).letter.attempts
    assert [one.error.code for one in attempts if one.error] == ["timeout", "timeout"]


def _zombie(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


async def test_processes_end_with_their_worker(
    client: Client, working: Working, crunching: Agent, eventually: Eventually
) -> None:
    async with working(crunching):
        child = await client.run("pid", wait=20)
        assert psutil.pid_exists(child)
    await eventually(lambda: not psutil.pid_exists(child) or _zombie(child))


async def test_a_canceled_handler_in_a_process_is_killed(
    client: Client, working: Working, crunching: Agent, eventually: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    async with working(crunching) as worker:
        task_id = await client.submit("hang", {"folder": str(tmp_path)})
        await eventually(lambda: mark.exists() and mark.read_text(), within=20)
        assert await client.cancel(task_id)
        await eventually(lambda: worker.in_flight == 0)
        await eventually(lambda: gone(int(mark.read_text())))
