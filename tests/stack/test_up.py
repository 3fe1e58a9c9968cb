import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import sys
import tomllib
from pathlib import Path

import psutil
import pytest

from pepperpy import Graph, connect
from pepperpy_schemas.errors import PermissionDenied, RequestRefused
from tests.provider_svc.upstreams.raw_server import Exchange, raw_server
from tests.running import gone, until

AGENT = "tasks.py:agent"


async def test_a_stack_with_workers_is_ready_within_seconds_and_takes_a_task_of_anybody(
    start_up, record_property
):
    up = await start_up(AGENT, "--workers", "2", "--port", "0")
    await up.is_ready()

    record_property("ready_seconds", up.ready["seconds"])
    print(f"up, with two workers, in {up.ready['seconds']:.2f} s")
    assert up.ready["seconds"] < 10
    assert set(up.pids) == {"broker", "orchestrator", "provider", "worker.1", "worker.2"}
    async with connect(up.url) as bus:
        assert await bus.run("add", [1, 2, 3], type=int, wait="10s") == 6
    assert f"PepperPy is up in {up.ready['seconds']:.1f} s: {up.url}, 2 workers" in up.text
    assert "publish" in up.text
    assert "req pp.task.add" in up.text


async def test_a_stack_runs_graphs(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    g = Graph("sums")
    first = g.task("add", [1, 2])
    g.output(g.task("add", [first.result, 4]).result)
    async with connect(up.url) as bus:
        assert await bus.run(g, type=int, wait="20s") == 7
    rss = psutil.Process(up.pids["orchestrator"]).memory_info().rss
    print(f"the orchestrator has {rss / 2**20:.0f} MiB")
    assert "publish orchestrate" not in up.text


async def test_ctrl_c_lets_running_tasks_finish_and_leaves_nothing(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    folder = Path(up.ready["folder"])
    async with connect(up.url) as bus:
        task = await bus.submit("nap", 1.0)
        await up.says("napping")
        up.signal(signal.SIGINT)
        assert await bus.result(task, wait="10s") == "rested"
        code = await up.ends()

    assert code == 0
    assert "stopping: orchestrator, provider, worker.1 first" in up.text
    assert all(gone(pid) for pid in up.pids.values())
    assert not folder.exists()
    assert list(up.home.rglob("*.toml")) == []


async def test_a_second_ctrl_c_ends_everything_at_once(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    async with connect(up.url) as bus:
        await bus.submit("nap", 60)
        await up.says("napping")
    up.signal(signal.SIGINT)
    await up.says("worker.draining")
    up.signal(signal.SIGINT)

    assert await up.ends(within=5) == 130
    assert all(gone(pid) for pid in up.pids.values())
    assert list(up.home.rglob("*.toml")) == []


async def test_a_worker_that_crashes_is_started_again(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    async with connect(up.url) as bus:
        first = await bus.run("who", wait="10s")
        os.kill(first, signal.SIGKILL)
        await up.says("it starts again")
        second = await bus.run("who", wait="20s")

    assert first == up.pids["worker.1"]
    assert second != first
    assert "worker.1 was killed by SIGKILL; it starts again in 0.2 s" in up.text


async def test_a_broker_that_crashes_comes_back_with_its_tasks(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    async with connect(up.url) as bus:
        result = asyncio.create_task(bus.run("nap", 2.0, wait="45s"))
        await up.says("napping")
        os.kill(up.pids["broker"], signal.SIGKILL)
        assert await result == "rested"

    assert f"broker is back at {up.url}" in up.text


async def test_a_broker_that_crashes_comes_back_for_workers_that_drain(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0")
    await up.is_ready()
    async with connect(up.url) as bus:
        result = asyncio.create_task(bus.run("nap", 1.0, wait="45s"))
        await up.says("napping")
        up.signal(signal.SIGINT)
        await up.says("worker.draining")
        os.kill(up.pids["broker"], signal.SIGKILL)
        await up.says("broker is back")
        await result

    assert await up.ends() == 0


async def test_no_child_outlives_a_stack_that_is_killed(start_up):
    up = await start_up(AGENT, "--workers", "2", "--port", "0")
    await up.is_ready()
    async with connect(up.url) as bus:
        await bus.submit("nap", 60)
        await up.says("napping")
    up.signal(signal.SIGKILL)
    await up.ends()

    await until(lambda: all(gone(pid) for pid in up.pids.values()), "every child's end", within=5)


async def test_an_agent_that_cannot_be_loaded_ends_the_stack_with_the_reason(start_up):
    up = await start_up("tasks.py:nobody", "--port", "0")

    assert await up.ends() == 1
    assert "has no agent named 'nobody'" in up.text
    assert "name one of them: tasks.py:agent" in up.text
    assert any(line.startswith("error: worker.") for line in up.lines)


async def test_what_was_persisted_is_there_after_a_restart(start_up, tmp_path):
    data = tmp_path / "data"
    up = await start_up("--port", "0", "--persist", data)
    await up.is_ready()
    async with connect(up.url) as bus:
        task = await bus.submit("add", [20, 22])
    up.signal(signal.SIGTERM)
    assert await up.ends() == 0

    up = await start_up(AGENT, "--workers", "1", "--port", "0", "--persist", data)
    await up.is_ready()
    async with connect(up.url) as bus:
        assert await bus.result(task, wait="10s", type=int) == 42
    assert f"{data} (kept)" in up.text
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for secret in (data / "secrets").iterdir():
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


async def test_two_stacks_do_not_share_a_folder(start_up, tmp_path):
    first = await start_up("--port", "0", "--persist", tmp_path / "data")
    await first.is_ready()
    second = await start_up("--port", "0", "--persist", tmp_path / "data")

    assert await second.ends() == 1
    assert "another stack keeps its data in" in second.text


async def test_a_port_in_use_is_named_with_ways_out(start_up):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = await start_up("--port", str(port))
        assert await up.ends() == 1

    assert f"error: port {port} cannot be used: Address already in use" in up.text
    assert "--port 0" in up.text
    assert f"--nats nats://127.0.0.1:{port}" in up.text


async def test_a_foreign_broker_is_used_as_it_is(start_up, broker, prefix):
    up = await start_up(AGENT, "--workers", "1", "--nats", broker.url, PEPPERPY_BUS_PREFIX=prefix)
    await up.is_ready()
    assert set(up.pids) == {"orchestrator", "provider", "worker.1"}
    assert up.ready["context"] == ""
    async with connect(broker.url, bus__prefix=prefix) as bus:
        assert await bus.run("add", [1, 1], wait="10s") == 2
    up.signal(signal.SIGINT)

    assert await up.ends() == 0
    assert broker.running


async def test_a_foreign_broker_that_is_not_there_is_reported(start_up):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    up = await start_up("--nats", f"nats://127.0.0.1:{port}", PEPPERPY_NATS_CONNECT_TIMEOUT="1s")

    assert await up.ends() == 3
    assert f"127.0.0.1:{port}" in up.text


async def test_the_local_context_is_the_operator_and_nobody_else_reads_it(start_up, monkeypatch):
    up = await start_up("--port", "0")
    await up.is_ready()
    file = up.home / ".config/pepperpy/contexts/local.toml"
    assert up.ready["context"] == "local"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text())["nats"]["user"] == "operator"

    monkeypatch.setenv("XDG_CONFIG_HOME", str(up.home / ".config"))
    stream = "$JS.API.STREAM.PURGE.PP_TASKS"
    async with connect(context="local") as operator:
        answer = await operator.connection.request(stream, b"{}", timeout=5)
        assert json.loads(answer.body)["success"]
    async with connect(up.url) as anonymous:
        with pytest.raises(PermissionDenied):
            await anonymous.connection.request(stream, b"{}", timeout=5)


async def test_a_worker_started_by_hand_finds_its_login_by_the_address(start_up, tmp_path):
    up = await start_up("--port", "0")
    await up.is_ready()
    home = {"HOME": str(up.home), "XDG_CONFIG_HOME": str(up.home / ".config")}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pepperpy", "--nats", up.url, "worker", AGENT),
        cwd=tmp_path,
        env={**os.environ, **home},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with connect(up.url) as bus:
            assert await bus.run("add", [1, 2], type=int, wait="20s") == 3
    finally:
        worker.terminate()
        _, said = await worker.communicate()
    assert worker.returncode == 0
    assert b"--context local-worker" in said
    assert list(up.home.rglob("local-worker.toml"))
    up.signal(signal.SIGINT)
    await up.ends()
    assert list(up.home.rglob("*.toml")) == []


@pytest.mark.parametrize("chosen", ["by address", "operator's context"])
@pytest.mark.parametrize("service", ["monitor", "edge"])
async def test_a_service_started_by_hand_has_its_own_login(start_up, tmp_path, service, chosen):
    up = await start_up("--port", "0", "--no-models")
    await up.is_ready()
    home = {"HOME": str(up.home), "XDG_CONFIG_HOME": str(up.home / ".config")}
    where = ("--nats", up.url) if chosen == "by address" else ("--context", "local")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pepperpy", *where, service, "run", "--port", "0"),
        cwd=tmp_path,
        env={**os.environ, **home},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with connect(up.url) as bus, asyncio.timeout(30):
            async for _, instance in bus.registry.watch():
                if instance is not None and instance.pid == process.pid:
                    break
    finally:
        process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert f"--context local-{service}".encode() in said
    assert b"permission_denied" not in said
    assert stat.S_IMODE(next(up.home.rglob(f"local-{service}.toml")).stat().st_mode) == 0o600


async def test_an_edge_that_was_there_before_its_stack_takes_its_login_later(start_up, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home/.config")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pepperpy", "--nats", f"nats://127.0.0.1:{port}"),
        *("edge", "run", "--port", "0"),
        cwd=tmp_path,
        env={**os.environ, **home},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        up = await start_up("--port", str(port), "--no-models")
        await up.is_ready()
        assert up.home == tmp_path / "home"
        async with connect(up.url) as bus, asyncio.timeout(30):
            async for _, instance in bus.registry.watch():
                if instance is not None and instance.pid == process.pid:
                    break
    finally:
        process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert b"--context local-edge" in said


async def test_a_context_of_the_users_own_is_left_alone(start_up, tmp_path):
    own = tmp_path / "home/.config/pepperpy/contexts/local.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[nats]\nurl = "nats://example.org"\n')
    up = await start_up("--port", "0")
    await up.is_ready()
    name = f"local-{up.url.rsplit(':', 1)[1]}"
    assert up.ready["context"] == name
    assert own.with_stem(name).exists()
    up.signal(signal.SIGINT)
    assert await up.ends() == 0

    assert "example.org" in own.read_text()
    assert not own.with_stem(name).exists()


async def test_a_context_that_a_killed_stack_left_is_replaced(start_up):
    first = await start_up("--port", "0")
    await first.is_ready()
    first.signal(signal.SIGKILL)
    await first.ends()

    second = await start_up("--port", "0")
    await second.is_ready()
    file = second.home / ".config/pepperpy/contexts/local.toml"
    assert second.ready["context"] == "local"
    assert tomllib.loads(file.read_text())["nats"]["url"] == second.url


async def test_the_data_and_contexts_of_a_killed_stack_go_at_the_next_start(start_up, tmp_path):
    place = tmp_path / "places"
    place.mkdir()
    first = await start_up("--port", "0", TMPDIR=str(place))
    await first.is_ready()
    beside = await start_up("--port", "0", TMPDIR=str(place))
    await beside.is_ready()
    first.signal(signal.SIGKILL)
    await first.ends()
    await until(lambda: gone(first.pids["broker"]), "the end of the broker")
    assert Path(first.ready["folder"]).exists()

    third = await start_up("--port", "0", TMPDIR=str(place))
    await third.is_ready()
    assert not Path(first.ready["folder"]).exists()
    assert Path(beside.ready["folder"], "secrets/operator").exists()
    contexts = third.home / ".config/pepperpy/contexts"
    names = {"local", beside.ready["context"]}
    assert {re.sub("-[a-z]+$", "", file.stem) for file in contexts.iterdir()} == names


async def test_what_an_anonymous_client_may_not_do_is_shown_when_debugging_only(start_up):
    for level, shown in (("debug", True), ("info", False)):
        up = await start_up("--port", "0", PEPPERPY_LOG_LEVEL=level)
        await up.is_ready()
        password = Path(up.ready["folder"], "secrets/operator")
        async with connect(up.url) as anonymous:
            with pytest.raises(PermissionDenied):
                await anonymous.connection.request("$JS.API.STREAM.PURGE.PP_TASKS", b"{}")
        async with connect(up.url, nats__user="operator", nats__password_file=password) as bus:
            with pytest.raises(PermissionDenied):
                await bus.connection.request("$SYS.REQ.SERVER.PING", b"{}")
        await up.says('"$G/user:operator" - Publish Violation')
        assert ('user:anon" - Publish Violation' in up.text) is shown


async def test_logs_are_json_when_asked_for_and_name_their_child(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0", PEPPERPY_LOG_FORMAT="json")
    await up.is_ready()
    up.signal(signal.SIGINT)
    assert await up.ends() == 0

    events = [json.loads(line) for line in up.lines]
    assert any(e["child"] == "worker.1" and e["event"] == "worker.ready" for e in events)
    assert any(e["child"] == "up" and "stopping" in e["event"] for e in events)


async def test_processes_hold_connections_to_the_broker_alone_and_the_provider_to_its_own_model(
    start_up,
):
    up = await start_up(AGENT, "--workers", "2", "--port", "0")
    await up.is_ready()
    broker = ("127.0.0.1", int(up.url.rsplit(":", 1)[1]))
    stack = psutil.Process(up.process.pid)
    async with connect(up.url) as bus:
        await asyncio.gather(*(bus.run("add", [1], wait="10s") for _ in range(20)))
        async with contextlib.aclosing(bus.llm.stream("Tell a story.", max_tokens=500)) as story:
            await anext(story)
            # While the model answers, so that all there is to hold is held.
            processes = [p for p in stack.children(recursive=True) if p.pid != up.pids["broker"]]
            held = {p.pid: p.net_connections(kind="inet") for p in processes}

    [model] = held.keys() - set(up.pids.values())
    [listens] = [c.laddr for c in held[model] if not c.raddr]
    assert listens.ip == "127.0.0.1"
    provider = up.pids["provider"]
    asks = {tuple(c.laddr) for c in held[provider] if c.raddr == listens}
    assert {tuple(c.raddr) for c in held.pop(model) if c.raddr} <= asks
    assert {tuple(c.raddr) for c in held.pop(provider)} == {broker, tuple(listens)}
    assert held.keys() == {pid for n, pid in up.pids.items() if n not in {"broker", "provider"}}
    for connections in held.values():
        assert {tuple(c.raddr) for c in connections} == {broker}
    # The one who started them keeps none at all once they are up.
    assert stack.net_connections(kind="inet") == []


async def test_the_provider_holds_connections_to_the_upstream_that_it_was_told_of_and_no_other(
    start_up,
):
    asked, seen = asyncio.Event(), asyncio.Event()

    async def upstream(exchange: Exchange) -> None:
        asked.set()
        await seen.wait()
        await exchange.answer(b"{}", status=400)

    async with raw_server(upstream) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        up = await start_up(
            *("--port", "0"), OPENAI_API_KEY="sk-none", OPENAI_BASE_URL=f"{server.url}/v1"
        )
        await up.is_ready()
        provider = psutil.Process(up.pids["provider"])
        async with connect(up.url) as bus:
            asking = asyncio.create_task(bus.llm.chat("Hello."))
            await asyncio.wait_for(asked.wait(), 20)
            held = {tuple(c.raddr) for c in provider.net_connections(kind="inet")}
            seen.set()
            with pytest.raises(RequestRefused):
                await asking
        assert held == {("127.0.0.1", int(up.url.rsplit(":", 1)[1])), address}
        assert provider.children() == []
