"""`pepperpy worker --processes N` and `--reload`."""

import asyncio
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.pool import Pool, command_of_this_process
from pepperpy_bus.control import steer
from pepperpy_schemas.errors import BadConfig
from tests.running import gone

Eventually = Callable[..., Awaitable[Any]]
Start = Callable[..., Any]

APP = """
import asyncio, os
from pepperpy import Agent

agent = Agent("pooled", version="{version}")

@agent.task("pid", concurrency=4)
async def pid(data: None) -> int:
    await asyncio.sleep(0.02)
    return os.getpid()

@agent.task("version")
async def version(data: None) -> str:
    return agent.version

@agent.task("die", retries=0)
async def die(data: None) -> None:
    os._exit(9)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "pooled_app.py"
    path.write_text(APP.format(version="1.0.0"))
    return path


async def pids(client: Client, count: int = 40) -> set[int]:
    return set(await asyncio.gather(*(client.run("pid", wait=15) for _ in range(count))))


async def test_processes_share_the_work_and_a_crashed_one_comes_back(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    pool = workers(broker.url, "pooled_app.py:agent", "--processes", "2")
    await asyncio.to_thread(pool.wait_for, "worker.ready", 2)
    before = await pids(client)
    assert len(before) == 2
    assert pool.pid not in before
    os.kill(min(before), signal.SIGKILL)
    await asyncio.to_thread(pool.wait_for, "pool.process_died")
    await asyncio.to_thread(pool.wait_for, "worker.ready", 3)
    after = await pids(client)
    assert len(after) == 2
    assert max(before) in after
    pool.send(signal.SIGTERM)
    assert await asyncio.to_thread(pool.ended) == 0
    for pid in after:
        assert not Path(f"/proc/{pid}").exists()


def status(port: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


async def test_one_port_tells_the_health_of_all_processes(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    pool = workers(broker.url, "pooled_app.py:agent", "--processes=2", "--health-port", "0")
    await asyncio.to_thread(pool.wait_for, "worker.ready", 2)
    found = re.search(r'"event":"pool.health".*?"port":(\d+)', pool.log)
    assert found is not None
    port = found[1]

    async def answers(path: str, code: int) -> bool:
        return await asyncio.to_thread(status, port, path) == code

    await eventually(lambda: answers("/readyz", 200))
    one, other = await pids(client)
    os.kill(one, signal.SIGSTOP)  # it hangs
    try:
        assert await answers("/readyz", 503)
        assert await answers("/livez", 503)
    finally:
        os.kill(one, signal.SIGCONT)
    await eventually(lambda: answers("/livez", 200))
    os.kill(one, signal.SIGKILL)
    await eventually(lambda: answers("/readyz", 503))
    assert await answers("/livez", 200)  # the pool starts it again
    await eventually(lambda: answers("/readyz", 200), within=20)
    assert other in await pids(client)


async def test_every_process_reads_its_settings_again_on_sighup(
    client: Client, broker: Broker, workers: Start, app: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[worker]\nconcurrency = 2\n")
    named = {"PEPPERPY_CONFIG": str(settings)}
    pool = workers(broker.url, "pooled_app.py:agent", "--processes", "2", env=named)
    await asyncio.to_thread(pool.wait_for, "worker.ready", 2)
    settings.write_text("[worker]\nconcurrency = 3\n")
    pool.send(signal.SIGHUP)
    await asyncio.to_thread(pool.wait_for, "config.reloaded", 2)
    assert len(await pids(client)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children")
async def test_a_killed_pool_leaves_no_process_behind(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    pool = workers(broker.url, "pooled_app.py:agent", "--processes", "2")
    await asyncio.to_thread(pool.wait_for, "worker.ready", 2)
    left = await pids(client)
    assert len(left) == 2
    pool.kill()
    await eventually(lambda: all(gone(pid) for pid in left), within=10)
    assert pool.log.count("process.stopping") == 2  # they drained


async def test_a_drained_pool_ends_by_itself(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    pool = workers(broker.url, "pooled_app.py:agent", env={"PEPPERPY_WORKER_PROCESSES": "2"})
    await asyncio.to_thread(pool.wait_for, "worker.ready", 2)

    async def both() -> bool:
        return len(await client.registry.instances(agent="pooled")) == 2

    await eventually(both)
    await steer(client.connection, client.prefix, "pooled", "drain", timeout=10)
    assert await asyncio.to_thread(pool.ended) == 0


async def test_a_changed_file_restarts_the_worker(
    client: Client, broker: Broker, workers: Start, app: Path, eventually: Eventually
) -> None:
    pool = workers(broker.url, "pooled_app.py:agent", "--reload")
    assert await client.run("version", wait=10) == "1.0.0"

    async def changed() -> bool:
        app.write_text(APP.format(version="1.0.1"))  # again: the watcher may not be up yet
        try:
            return bool(await client.run("version", wait=2) == "1.0.1")
        except TimeoutError:
            return False

    await eventually(changed, within=20)
    assert "pool.reload" in pool.log
    pool.send(signal.SIGINT)
    assert await asyncio.to_thread(pool.ended) == 0


@pytest.fixture
async def kept_signals() -> Any:
    yield
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_signal_reaches_a_process_that_is_just_being_started(kept_signals: None) -> None:
    pool = Pool([sys.executable, "-c", "import time; time.sleep(60)"], 2)
    running = asyncio.create_task(pool.run())
    await asyncio.sleep(0)  # the keepers begin to start their processes
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await running == 0


async def test_the_code_of_a_process_that_fails_to_drain_is_the_pools(
    kept_signals: None, tmp_path: Path, eventually: Eventually
) -> None:
    mark = tmp_path / "up"
    script = (
        "import signal, sys, pathlib, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\n"
        f"pathlib.Path({str(mark)!r}).write_text('')\n"
        "time.sleep(60)\n"
    )
    running = asyncio.create_task(Pool([sys.executable, "-c", script], 1).run())
    await eventually(mark.exists)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await running == 4


async def test_a_stop_does_not_wait_for_a_restart(
    kept_signals: None, tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.create_task(Pool([sys.executable, "-c", "raise SystemExit(3)"], 1).run())
    await eventually(lambda: caplog.text.count("pool.process_died") >= 2)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await running == 3


async def test_reload_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(BadConfig, match="--reload needs watchfiles"):
        await Pool(["true"], 1).run([tmp_path])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["worker", "a:b", "--processes", "3", "-c", "4"], ["worker", "a:b", "-c", "4"]),
        (["worker", "a:b", "--processes=3", "--reload"], ["worker", "a:b"]),
        (["worker", "--health-port", "80", "a:b"], ["worker", "a:b"]),
        (["--nats", "x", "worker", "--reload", "a:b"], ["--nats", "x", "worker", "a:b"]),
    ],
)
def test_a_child_runs_the_same_command_without_the_options_of_the_pool(
    monkeypatch: pytest.MonkeyPatch, given: list[str], kept: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pepperpy", *given])
    command = command_of_this_process(("--processes=", "--reload", "--health-port="))
    assert command == [sys.executable, "-m", "pepperpy", *kept]
