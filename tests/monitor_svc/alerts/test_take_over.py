"""Alerts of real monitors: what people are told when the one that leads is killed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from pepperpy import Agent, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter, listen
from pepperpy_monitor_svc.alerts.alerts import INTERVAL
from tests.monitor_svc.alerts.receiving import receiving
from tests.monitor_svc.monitors import Start, settings_of
from tests.running import until

RULES = "shipped:\n  NoWorkersForTopic: {for: 0s}\n"
NOTIFY = """
receivers:
  hook: {{webhook: "{url}"}}
routes:
  - {{match: {{alertname: NoWorkersForTopic}}, to: [hook], wait: 0s, interval: 1s}}
"""

EVENTS = """
rules:
  - name: Refused
    kind: event
    repeated: order.refused.shop
    times: 3
    within: 1m
    by: data.customer
    summary: "orders of {key} are refused"
"""


@contextlib.asynccontextmanager
async def working(broker: Broker) -> AsyncIterator[None]:
    agent = Agent("clerk", version="1.0.0")

    @agent.task("orders")
    async def orders(n: int) -> int:
        return n

    async with connect(settings=settings_of(broker, "worker")) as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            await until(lambda: worker.ready or running.done(), "the worker")
            yield
        finally:
            worker.stop()
            await running


@pytest.mark.slow
async def test_nothing_is_told_twice_or_left_out_when_the_leader_is_killed(
    guarded: Broker, operator: Client, monitors: Start, tmp_path: Path
) -> None:
    rules, notify = tmp_path / "rules.yaml", tmp_path / "notify.yaml"
    rules.write_text(RULES, "utf-8")
    async with receiving() as hook:
        notify.write_text(NOTIFY.format(url=hook.url), "utf-8")
        files = {
            "PEPPERPY_MONITOR_RULES": str(rules),
            "PEPPERPY_MONITOR_NOTIFY": str(notify),
        }
        first = monitors(**files)
        await first.says("monitor.leads")
        await first.says("monitor.complete")
        second = monitors(**files)
        await second.says("monitor.complete")
        await operator.submit("orders", 1)
        await until(lambda: hook.posts, "the alert", within=40)
        # The other replica has seen the same, and told nobody.
        first.kill()
        await second.says("alerts.taken_over", within=40)
        async with working(guarded):
            await until(lambda: len(hook.posts) > 1, "its end", within=60)
        assert hook.told() == [("firing", ["orders"]), ("resolved", ["orders"])]
        fired, ended = (json.loads(body)["alerts"][0] for _, body in hook.posts)
        assert fired["fingerprint"] == ended["fingerprint"]
        assert fired["startsAt"] == ended["startsAt"]
        assert second.stop() == 0
    told = [
        one.verb
        async for one in listen(
            operator.connection,
            operator.prefix,
            "alert.*.NoWorkersForTopic",
            until_end=True,
            since=timedelta(hours=1),
        )
    ]
    assert told == ["firing", "resolved"]


@pytest.mark.slow
async def test_nothing_is_told_to_be_over_because_the_monitor_has_just_started(
    guarded: Broker, operator: Client, monitors: Start, tmp_path: Path
) -> None:
    """Its history is there before the broker's figures are."""
    rules, notify = tmp_path / "rules.yaml", tmp_path / "notify.yaml"
    rules.write_text(RULES, "utf-8")
    async with receiving() as hook:
        notify.write_text(NOTIFY.format(url=hook.url), "utf-8")
        files = {
            "PEPPERPY_MONITOR_RULES": str(rules),
            "PEPPERPY_MONITOR_NOTIFY": str(notify),
        }
        first = monitors(**files)
        await first.says("monitor.complete")
        await operator.submit("orders", 1)
        await until(lambda: hook.posts, "the alert", within=40)
        assert first.stop() == 0
        second = monitors(**files)
        taken = await second.says("alerts.taken_over", within=40)
        assert taken["alerts"] == 1
        # Two looks later it still waits, and nobody has been told anything.
        await asyncio.sleep(2 * INTERVAL)
        assert hook.told() == [("firing", ["orders"])]
        async with working(guarded):
            await until(lambda: len(hook.posts) > 1, "its end", within=90)
        assert hook.told() == [("firing", ["orders"]), ("resolved", ["orders"])]
        assert second.stop() == 0


@pytest.mark.slow
async def test_people_are_told_that_the_broker_is_down_and_that_it_is_back(
    guarded: Broker, operator: Client, monitors: Start, tmp_path: Path
) -> None:
    rules, notify = tmp_path / "rules.yaml", tmp_path / "notify.yaml"
    rules.write_text("shipped:\n  BusDown: {for: 5s}\n", "utf-8")
    async with receiving() as hook:
        routed = NOTIFY.replace("NoWorkersForTopic", "BusDown")
        notify.write_text(routed.format(url=hook.url), "utf-8")
        monitor = monitors(PEPPERPY_MONITOR_RULES=str(rules), PEPPERPY_MONITOR_NOTIFY=str(notify))
        await monitor.says("alerts.taken_over", within=40)
        guarded.stop_sync()
        await until(lambda: hook.posts, "the alert", within=60)
        guarded.start_sync()
        await until(lambda: len(hook.posts) > 1, "its end", within=60)
        said = [(one["status"], one["groupLabels"]["alertname"]) for one in hook.bodies()]
        assert said == [("firing", "BusDown"), ("resolved", "BusDown")]


@pytest.mark.slow
async def test_a_rule_over_events_hears_what_really_happens(
    guarded: Broker, operator: Client, monitors: Start, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(EVENTS, "utf-8")
    monitor = monitors(PEPPERPY_MONITOR_RULES=str(rules))
    await monitor.says("alerts.taken_over", within=40)
    async with Emitter(operator.connection, operator.prefix) as emitter:
        for n in range(3):
            for customer in ("c42", f"other{n}"):
                await emitter.emit(
                    "order",
                    "refused",
                    scope="shop",
                    id=f"o{n}-{customer}",
                    data={"customer": customer},
                    certain=True,
                )
    fired = await monitor.says("alert.firing", within=30)
    assert fired["rule"] == "Refused"
    assert fired["labels"]["key"] == "c42"
    assert fired["summary"] == "orders of c42 are refused"
