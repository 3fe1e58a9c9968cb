"""The monitor as a process: what it survives, and that it misses nothing."""

import asyncio
import contextlib
import json
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest

from pepperpy import Agent, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.client import Client
from pepperpy_bus.monitor import Monitor
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.errors import NotFound, PermissionDenied, Unavailable
from tests.monitor_svc.monitors import TOKEN, Start, settings_of
from tests.running import until


def otters() -> Agent:
    agent = Agent("otters", version="1.0.0")

    @agent.task("dive", retries=0)
    async def dive(n: int, ctx: Context) -> int:
        if n % 10 == 9:
            raise ValueError(f"no fish at {n}")
        return n

    return agent


@contextlib.asynccontextmanager
async def working(broker: Broker) -> AsyncIterator[None]:
    """Otters that dive."""
    async with connect(settings=settings_of(broker, "worker")) as own:
        worker = Worker(otters(), own, WorkerOptions())
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            await until(lambda: worker.ready or running.done(), "the worker")
            yield
        finally:
            worker.stop()
            await running


async def submit(bus: Client, first: int, last: int) -> list[str]:
    return [await bus.submit("dive", n, id=f"dive-{n}") for n in range(first, last)]


async def ended(monitor: Monitor) -> dict[str, int]:
    page = await monitor.tasks(topic="dive", limit=1)
    return {state: n for state, n in page.by_state.items() if state in ("completed", "failed")}


async def test_a_killed_monitor_misses_nothing(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    first = monitors()
    await first.page()
    see = Monitor(operator.connection, operator.prefix, "operator")
    async with working(guarded):
        await submit(operator, 0, 100)
        await until(lambda: _some(see), "some ends")
        first.kill()
        await submit(operator, 100, 300)  # while nobody looks
        second = monitors()
        await second.says("monitor.complete")
        await submit(operator, 300, 400)

        async def all_there() -> bool:
            return await ended(see) == {"completed": 360, "failed": 40}

        await until(all_there, "all ends")
    status = await see.status()
    assert (status.complete, status.counts.missed, status.counts.bad) == (True, 0, {})
    assert set(status.behind.values()) == {0}
    row = await see.task("dive-9")
    assert (row.state, row.code, row.agent, row.letter) == (
        "failed",
        "handler_error",
        "otters",
        True,
    )
    assert [one.code for one in (await see.errors()).items] == ["handler_error"]
    assert "permission_denied" not in first.text + second.text


async def _some(see: Monitor) -> bool:
    with contextlib.suppress(Unavailable):
        return sum((await ended(see)).values()) > 10
    return False


async def test_a_monitor_survives_a_broker_that_crashes(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    monitor = monitors()
    await monitor.page()
    see = Monitor(operator.connection, operator.prefix, "operator")
    async with working(guarded):
        await submit(operator, 0, 50)
        guarded.kill()
        await guarded.start()
        await submit(operator, 50, 100)

        async def all_there() -> bool:
            with contextlib.suppress(Unavailable):
                return sum((await ended(see)).values()) == 100
            return False

        await until(all_there, "all ends", within=40)
    assert monitor.process.poll() is None
    overview = await monitor.read("/api/overview")
    assert overview["overview"]["states"] == {"completed": 90, "failed": 10}


async def test_what_nobody_could_see_is_told_and_lights_the_alert(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    first = monitors()
    await first.page()
    subject = f"{operator.prefix}.event.task.progress.dive.t1"
    for _ in range(5):
        await operator.connection.request(subject, b'{"id":"e","ts":"2026-01-01T00:00:00Z"}')
    see = Monitor(operator.connection, operator.prefix, "operator")
    events = f"{operator.prefix.upper()}_EVENTS"

    async def stored() -> bool:
        entry = await operator._cells.get("monitor.positions")
        return entry is not None and json.loads(entry.value)["streams"][events]["seq"] >= 5

    await until(stored, "its position")
    first.kill()
    before = (await operator.connection.request(f"$JS.API.STREAM.INFO.{events}")).body
    last = json.loads(before)["state"]["last_seq"]
    for _ in range(4):
        await operator.connection.request(subject, b'{"id":"e","ts":"2026-01-01T00:00:00Z"}')
    keep = json.dumps({"seq": last + 4}).encode()
    await operator.connection.request(f"$JS.API.STREAM.PURGE.{events}", keep)
    second = monitors()
    await second.says("monitor.complete")
    counts = (await see.status()).counts
    assert [(one.stream, one.reason) for one in counts.gaps] == [(events, "away")]
    assert counts.gaps[0].last_seq == last + 3
    assert counts.missed == counts.gaps[0].count >= 3

    async def told() -> bool:
        health = {one["name"]: one for one in (await second.read("/api/health"))["items"]}
        return "never seen" in health["monitor"].get("reason", "")

    await until(told, "the gap in its health")


async def test_of_several_monitors_one_leads_and_another_takes_over(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    both = [monitors(), monitors()]
    for one in both:
        await one.says("monitor.complete")
    await until(lambda: any(one.said("monitor.leads") for one in both), "a leader")
    leader, other = sorted(both, key=lambda one: not one.said("monitor.leads"))
    assert not other.said("monitor.leads")
    assert (await leader.read("/api/overview"))["leads"]
    assert not (await other.read("/api/overview"))["leads"]
    # Both see the same.
    await operator.submit("nobody", 1, id="t1")
    for one in both:
        await until(lambda one=one: _state(one, "t1"), "the task")
    leader.kill()
    await other.says("monitor.leads", within=30)
    assert (await other.read("/api/overview"))["leads"]


async def _state(monitor: object, task_id: str) -> bool:
    try:
        row = await monitor.read(f"/api/tasks/{task_id}")  # type: ignore[attr-defined]
    except urllib.error.HTTPError:
        return False
    return bool(row["task"]["state"] == "submitted")


async def test_a_monitor_that_leaves_hands_over_at_once(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    leader = monitors()
    await leader.says("monitor.leads")
    other = monitors()
    await other.says("monitor.complete")
    assert leader.stop() == 0
    await other.says("monitor.leads", within=5)  # not only when the lease has run out


async def test_a_stopped_monitor_holds_nobody_up(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    monitor = monitors()
    await monitor.page()
    async with working(guarded):
        await submit(operator, 0, 1)
        await operator.result("dive-0", wait=10)
        monitor.process.send_signal(signal.SIGSTOP)
        try:
            await submit(operator, 1, 9)
            for n in range(1, 9):
                assert await operator.result(f"dive-{n}", wait=10) == n
            stuck = await _connections(guarded)
        finally:
            monitor.process.send_signal(signal.SIGCONT)
        # It has asked for no more than it can take: nothing piles up for it at the server.
        assert stuck < 1 << 20
        see = Monitor(operator.connection, operator.prefix, "operator")

        async def all_there() -> bool:
            with contextlib.suppress(Unavailable):
                return await ended(see) == {"completed": 9}
            return False

        await until(all_there, "all ends")


async def _connections(broker: Broker) -> int:
    def read() -> int:
        with urllib.request.urlopen(f"{broker.monitor_url}/connz", timeout=5) as answer:
            found = json.load(answer)["connections"]
        return max(int(one.get("pending_bytes", 0)) for one in found)

    return await asyncio.to_thread(read)


async def test_malformed_events_are_counted_and_the_page_lives(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    monitor = monitors()
    await monitor.page()
    prefix = operator.prefix
    large = json.dumps(
        {"id": "e", "ts": "2026-01-01T00:00:00Z", "data": {"x": "y" * 900_000}}
    ).encode()
    bodies = [
        b"",
        b"no json",
        b"[1,2,3]",
        b'{"id": 5}',
        b'{"id":"e","ts":"yesterday"}',
        b'{"id":"e","ts":"2026-01-01T00:00:00Z","data":{"duration_ms":"<script>alert(1)</script>"}}',
        b'{"id":"e","ts":"9999-12-31T23:59:59Z"}',
        b'{"id":"e","ts":"2026-01-01T00:00:00Z","data":{"duration_ms":1e308,"instance":[[]]}}',
        b"\xff\xfe",
        b"[" * 100_000,
        large,
    ]
    for n, body in enumerate(bodies):
        for verb in ("started", "completed", "input_required"):
            subject = f"{prefix}.event.task.{verb}.odd.t{n}"
            await operator.connection.request(subject, body)
    await operator.connection.request(f"{prefix}.event.llm.completed.x.y", bodies[7])
    await operator.connection.request(f"{prefix}.result.t99", b"nonsense")
    await operator.connection.request(f"{prefix}.dlq.odd", b"nonsense")
    await operator.connection.request(f"$KV.{prefix}_registry.otter.i1", b"nonsense")
    await operator.submit("fine", 1, id="after")
    see = Monitor(operator.connection, prefix, "operator")

    async def all_read() -> bool:
        counts = (await see.status()).counts
        return counts.events >= 3 * len(bodies) and bool(await _state(monitor, "after"))

    await until(all_read, "all of them")
    counts = (await see.status()).counts
    assert sum(counts.bad.values()) >= 3 * 6
    assert counts.odd.get("clock_ahead") == 3
    for path in ("overview", "tasks", "topics", "errors", "topology", "health", "alerts", "models"):
        await monitor.read(f"/api/{path}")
    assert monitor.said("monitor.not_taken") == []


async def test_who_may_look_and_who_may_hush(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    monitor = monitors()
    await monitor.page()
    async with connect(settings=settings_of(guarded, ANONYMOUS)) as anybody:
        see = Monitor(anybody.connection, anybody.prefix, ANONYMOUS)
        assert (await see.overview()).states == {}
        with pytest.raises(NotFound, match="knows no task"):
            await see.task("t1")
        with pytest.raises(PermissionDenied):
            await Monitor(anybody.connection, anybody.prefix, "operator").overview()


async def test_acts_have_the_rights_of_whom_the_settings_name(
    guarded: Broker, operator: Client, monitors: Start
) -> None:
    password = guarded.logins["operator"].password
    monitor = monitors(
        PEPPERPY_MONITOR_TOKEN=TOKEN,
        PEPPERPY_MONITOR_ACTING_USER="operator",
        PEPPERPY_MONITOR_ACTING_PASSWORD=password,
        PEPPERPY_MONITOR_SERVER_URL=guarded.monitor_url,
    )
    assert (await monitor.says("monitor.ready"))["acts"] is True
    broker = (await monitor.read("/api/health"))["items"]
    assert {one["name"]: one["status"] for one in broker}["broker"] == "ok"
    assert password not in monitor.text
    wrong = monitors(
        PEPPERPY_MONITOR_ACTING_USER="operator", PEPPERPY_MONITOR_ACTING_PASSWORD="wrong"
    )
    assert await asyncio.to_thread(wrong.process.wait, 20) != 0
    assert "wrong" not in wrong.text.replace("is wrong", "")


async def test_a_port_that_is_taken_or_a_rule_that_is_wrong_is_said_at_once(
    guarded: Broker, operator: Client, monitors: Start, tmp_path: object
) -> None:
    first = monitors()
    port = (await first.page()).rpartition(":")[2]
    second = monitors(PEPPERPY_MONITOR_PORT=port)
    assert await asyncio.to_thread(second.process.wait, 20) == 1
    assert f"monitor.port {port} on 127.0.0.1 cannot be used" in second.text
    third = monitors(PEPPERPY_MONITOR_HOST="0.0.0.0")
    assert await asyncio.to_thread(third.process.wait, 20) == 1
    assert "there is no token" in third.text
