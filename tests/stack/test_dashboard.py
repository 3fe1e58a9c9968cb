"""The dashboard that `pepperpy up` brings."""

import json
import socket
import stat
import urllib.request
from pathlib import Path

from pepperpy import connect
from pepperpy.stack import services as stack_services
from pepperpy.stack.dashboard import dashboard
from pepperpy.stack.services import MONITOR, services
from pepperpy_bus.config import load
from tests.running import until

AGENT = "tasks.py:agent"


def read(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


async def test_a_stack_shows_its_tasks_where_it_says(start_up):
    up = await start_up(AGENT, "--workers", "1", "--port", "0", "--no-models", "--monitor")
    await up.is_ready()
    page = up.ready["dashboard"]
    assert set(up.pids) == {"broker", "orchestrator", "monitor", "worker.1"}
    assert f"{page}   # (to act there: the token in {up.ready['token_file']})" in up.text
    assert stat.S_IMODE(Path(up.ready["token_file"]).stat().st_mode) == 0o600
    async with connect(up.url) as bus:
        task = await bus.submit("add", [1, 2], id="sum-1")
        assert await bus.result(task, wait="10s", type=int) == 3
    ended = await until(
        lambda: (
            (found := read(f"{page}/api/tasks?topic=add"))["items"]
            and found["items"][0]["state"] == "completed"
            and found["items"][0]
        ),
        "the task",
    )
    assert (ended["id"], ended["agent"]) == ("sum-1", "tests")
    assert {one["agent"] for one in read(f"{page}/api/agents")["items"]} >= {"tests", "monitor"}
    health = {one["name"]: one["status"] for one in read(f"{page}/api/health")["items"]}
    assert health["broker"] == "ok"
    # It acts with an operator's rights, for those who have the token.
    token = Path(up.ready["token_file"]).read_text().strip()
    said = json.dumps({"token": token}).encode()
    request = urllib.request.Request(
        f"{page}/api/login", said, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    assert "permission_denied" not in up.text


async def test_workers_know_neither_its_token_nor_its_password_nor_its_key(start_up, tmp_path):
    token, key = "a-token-of-the-person-at-the-desk", "what-the-records-are-sealed-with"
    up = await start_up(
        AGENT,
        *("--workers", "1", "--port", "0", "--no-models", "--monitor"),
        PEPPERPY_MONITOR_TOKEN=token,
        PEPPERPY_MONITOR_AUDIT_KEY=key,
    )
    await up.is_ready()
    assert up.ready["token_file"] == ""
    told = {name: Path(f"/proc/{pid}/environ").read_bytes() for name, pid in up.pids.items()}
    for secret in (token, key):
        assert secret.encode() in told["monitor"]
        assert secret.encode() not in told["worker.1"] + told["orchestrator"]
    assert b"MONITOR_ACTING_PASSWORD" not in told["worker.1"] + told["orchestrator"]


def test_a_second_stack_takes_another_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load(flags={"monitor.port": port}, environ={}).settings
        other = dashboard(settings, None)
    assert other.url != f"http://127.0.0.1:{port}"
    assert other.taken == port
    assert other.environment == {"PEPPERPY_MONITOR_PORT": other.url.rpartition(":")[2]}
    free = dashboard(settings, None)
    assert (free.url, free.taken) == (f"http://127.0.0.1:{port}", 0)


def test_without_its_packages_a_stack_says_how_to_get_a_dashboard(monkeypatch):
    settings = load(environ={}).settings
    assert MONITOR in services(settings, {}, models=False, memory=False).children
    assert services(settings, {}, models=False, memory=False, monitor=False).no_monitor == ""
    monkeypatch.setattr(stack_services, "_MONITOR", ("aiohttp", "no_such.package"))
    found = services(settings, {}, models=False, memory=False)
    assert MONITOR not in found.children
    assert found.no_monitor.startswith("no dashboard: no_such.package not installed; pip install")
