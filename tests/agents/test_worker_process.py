"""`pepperpy worker` as a process: signals, exit codes, health, settings."""

import asyncio
import contextlib
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no stubs
import pytest

from pepperpy import Agent, Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.serve import serve
from pepperpy_bus.config import load
from pepperpy_bus.config.reload import Reloader
from pepperpy_schemas.errors import SchemaIncompatible, Unreachable

Eventually = Callable[..., Awaitable[Any]]
Start = Callable[..., Any]

APP = """
import asyncio, os, time
from pepperpy import Agent, Context

agent = Agent("app", version="1.0.0")

@agent.task("pid")
async def pid(data: None) -> int:
    return os.getpid()

@agent.task("nap", timeout=None)
async def nap(seconds: float, ctx: Context) -> int:
    await ctx.progress(0)
    await asyncio.sleep(seconds)
    return ctx.attempt

@agent.task("block", timeout=None)
def block(seconds: float) -> None:
    time.sleep(seconds)

@agent.task("cut")
async def cut(data: None, ctx: Context) -> None:
    await ctx._client.connection._nats.close()

@agent.task("compute", where="process")
def compute(data: None) -> int:
    return os.getpid()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app_of_test.py"
    path.write_text(APP)
    return path


async def began(client: Client, task_id: str) -> None:
    async for update in client.watch(task_id):
        if update.event is not None and update.event.verb == "started":
            return


async def test_sigterm_drains_and_exits_zero(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    worker = workers(broker.url, "app_of_test:agent")
    task_id = await client.submit("nap", 0.5)
    await began(client, task_id)
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.ended) == 0
    assert await client.result(task_id) == 1
    assert not await client.registry.instances(agent="app")


async def test_an_idle_worker_stops_at_once(broker: Broker, workers: Start, app: Path) -> None:
    worker = workers(broker.url, "app_of_test.py:agent")
    worker.send(signal.SIGINT)
    assert worker.ended(3) == 0


async def test_a_second_signal_ends_it_at_once(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    worker = workers(broker.url, "app_of_test.py:agent")
    task_id = await client.submit("nap", 60)
    await began(client, task_id)
    worker.send(signal.SIGTERM)
    worker.wait_for("worker.draining")
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.ended, 3) == 128 + signal.SIGTERM


async def test_past_the_grace_the_task_goes_to_another_worker(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    grace = {"PEPPERPY_WORKER_GRACE": "200ms"}
    first = workers(broker.url, "app_of_test.py:agent", env=grace)
    task_id = await client.submit("nap", 1.5)
    await began(client, task_id)
    first.send(signal.SIGTERM)
    assert await asyncio.to_thread(first.ended, 5) == 0
    workers(broker.url, "app_of_test.py:agent")
    assert await client.result(task_id, wait=10) == 1  # given back: no attempt was lost


async def test_a_thread_that_never_ends_does_not_keep_the_process(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    grace = {"PEPPERPY_WORKER_GRACE": "200ms"}
    worker = workers(broker.url, "app_of_test.py:agent", env=grace)
    task_id = await client.submit("block", 120)
    await began(client, task_id)
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.ended, 6) == 0
    assert "worker.threads_given_up" in worker.log


async def test_computing_processes_end_with_a_killed_worker(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    worker = workers(broker.url, "app_of_test.py:agent")
    child = await client.run("compute", wait=20)
    worker.kill()

    def gone() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
        return True

    await eventually(gone)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


async def test_a_worker_waits_for_its_broker_and_obeys_meanwhile(
    broker_factory: Callable[..., Broker],
    workers: Start,
    app: Path,
    prefix: str,
    eventually: Eventually,
) -> None:
    later = broker_factory()
    url = later.url
    later.kill()
    early = workers(url, "app_of_test.py:agent", ready=False)
    impatient = workers(url, "app_of_test.py:agent", "--health-port", "0", ready=False)
    for one in (early, impatient):
        await eventually(lambda one=one: catches(one.pid, signal.SIGTERM), within=20)
    impatient.send(signal.SIGTERM)
    assert await asyncio.to_thread(impatient.ended, 5) == 0
    later.start_sync()
    await asyncio.to_thread(early.wait_for, "worker.ready")
    async with connect(url, bus__prefix=prefix) as client:
        assert await client.run("pid", wait=5) == early.pid


async def test_a_connection_closed_for_good_ends_the_process_with_an_error(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    worker = workers(broker.url, "app_of_test.py:agent")
    await client.submit("cut")
    assert await asyncio.to_thread(worker.ended) not in (0, None)
    assert "closed the connection for good" in worker.log


async def test_a_failing_start_ends_the_process_with_one(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    app.write_text(
        APP + '\n@agent.on_start\ndef fails() -> None:\n    raise RuntimeError("no model")\n'
    )
    worker = workers(broker.url, "app_of_test.py:agent", ready=False)
    assert await asyncio.to_thread(worker.ended) == 1
    assert "no model" in worker.log


async def test_sighup_takes_over_settings_and_kills_nobody(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    settings = app.parent / "pepperpy.toml"
    settings.write_text("[worker]\nconcurrency = 2\n")
    worker = workers(broker.url, "app_of_test.py:agent")
    settings.write_text("[worker]\nconcurrency = 7\n")
    worker.send(signal.SIGHUP)
    await asyncio.to_thread(worker.wait_for, "config.reloaded")

    async def resized() -> bool:
        (one,) = await client.registry.instances(agent="app")
        return one.load.slots == 5 * (7 + 2 + 2)  # and the lanes of the urgent and the resumed

    await eventually(resized)
    settings.write_text("[worker]\nconcurrency = 0\n")
    worker.send(signal.SIGHUP)
    await asyncio.to_thread(worker.wait_for, "config.reload_refused")
    assert await client.run("pid", wait=5) == worker.pid


async def test_a_killed_worker_disappears_from_the_registry_by_itself(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    sooner = 'from pepperpy_bus import registry\nregistry.BEAT, registry.TTL = 0.5, "2s"\n'
    app.write_text(APP + sooner)
    worker = workers(broker.url, "app_of_test.py:agent")

    async def shown() -> bool:
        return len(await client.registry.instances(agent="app")) == 1

    await eventually(shown)
    worker.kill()
    assert await shown()

    async def gone() -> bool:
        return not await shown()

    await eventually(gone)


async def test_health_checks_answer_for_the_process(
    client: Client, broker: Broker, workers: Start, app: Path
) -> None:
    worker = workers(broker.url, "app_of_test.py:agent", "--health-port", "0")
    found = re.search(r'"event":"worker.health".*?"port":(\d+)', worker.log)
    assert found is not None, worker.log

    def ask(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    assert await asyncio.to_thread(ask, "/livez") == 200
    assert await asyncio.to_thread(ask, "/readyz") == 200
    task_id = await client.submit("nap", 1)
    await began(client, task_id)
    worker.send(signal.SIGTERM)
    worker.wait_for("worker.draining")
    assert await asyncio.to_thread(ask, "/livez") == 200
    assert await asyncio.to_thread(ask, "/readyz") == 503
    assert await asyncio.to_thread(worker.ended) == 0


# --- in this process ------------------------------------------------------------------------------


def reloader(url: str, prefix: str, **flags: object) -> Reloader:
    given = {"nats.url": url, "bus.prefix": prefix, **flags}
    return Reloader(load(flags=given), lambda: load(flags=given))


@pytest.fixture
async def kept_signals() -> Any:
    """The handlers that serving sets are taken away again."""
    yield
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


def counting(name: str, counted: list[str]) -> Agent:
    agent = Agent(name)

    @agent.task(f"{name}-task")
    async def handle(data: None) -> str:
        counted.append(name)
        return name

    return agent


async def test_one_process_serves_several_agents_and_one_may_be_drained(
    client: Client, broker: Broker, prefix: str, kept_signals: None, eventually: Eventually
) -> None:
    from pepperpy_bus.control import steer

    stop = asyncio.Event()
    counted: list[str] = []
    agents = [counting("one", counted), counting("two", counted)]
    serving = asyncio.create_task(serve(agents, reloader(broker.url, prefix), stop=stop))
    assert await client.run("one-task", wait=5) == "one"
    assert await client.run("two-task", wait=5) == "two"

    async def both() -> bool:
        return len(await client.registry.instances()) == 2

    await eventually(both)
    await steer(client.connection, client.prefix, "one", "drain", timeout=5)
    assert await client.run("two-task", wait=5) == "two"
    assert not serving.done()
    stop.set()
    await serving


async def test_an_agent_that_cannot_start_stops_the_others(
    client: Client, broker: Broker, prefix: str, kept_signals: None, working: Any
) -> None:
    bad = Agent("two")

    @bad.task("one-task")
    async def other(data: int) -> int:
        return data

    async with working(counting("one", [])):
        pass
    good = counting("three", [])
    async with asyncio.timeout(10):
        with pytest.raises(SchemaIncompatible):
            await serve([good, bad], reloader(broker.url, prefix))


async def test_the_error_of_one_agent_does_not_cut_short_the_tasks_of_another(
    client: Client, broker: Broker, prefix: str, kept_signals: None
) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    good, bad = Agent("good"), Agent("bad")

    @good.task("slow")
    async def slow(data: None) -> str:
        begun.set()
        await finish.wait()
        return "whole"

    @bad.on_start
    async def fail() -> None:
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, finish.set)
        raise ValueError("no")

    serving = asyncio.create_task(serve([good, bad], reloader(broker.url, prefix)))
    task_id = await client.submit("slow")
    with pytest.raises(ValueError, match="no"):
        async with asyncio.timeout(10):
            await serving
    ended = await client.ended(task_id)
    assert (ended.attempt, bytes(ended.result.data)) == (1, b'"whole"')


async def test_a_lost_connection_is_an_error_of_serving(
    client: Client, broker: Broker, prefix: str, kept_signals: None
) -> None:
    agent = Agent("cutter")

    @agent.task("cut")
    async def cut(data: None, ctx: Any) -> None:
        await ctx._client.connection._nats.close()

    serving = asyncio.create_task(serve([agent], reloader(broker.url, prefix)))
    await client.submit("cut")
    # It says "for good", or which answer was awaited, when it was cut during the start.
    with pytest.raises(Unreachable):
        async with asyncio.timeout(15):
            await serving


async def test_serving_may_be_stopped_before_there_is_a_broker(
    kept_signals: None, prefix: str
) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve([Agent("a")], reloader("nats://127.0.0.1:1", prefix), stop=stop)
    )
    done, _ = await asyncio.wait({serving}, timeout=0.3)
    assert not done
    stop.set()
    async with asyncio.timeout(5):
        await serving
