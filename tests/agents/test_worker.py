import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.lifecycle import State
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.control import steer
from pepperpy_bus.streams import consumers, in_hand, pull
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.errors import SchemaIncompatible
from pepperpy_schemas.messages import AgentCommand, AgentInstance
from pepperpy_schemas.subjects import stream_name

Working = Callable[..., contextlib.AbstractAsyncContextManager[Worker]]
Eventually = Callable[..., Awaitable[Any]]


class Gate:
    """Tasks that run until the test lets them go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.attempts: list[int] = []
        self.running = 0
        self.most = 0
        self.agent = Agent("gate", version="1.2.3", capabilities=["waiting"])
        self.agent.task("wait", timeout=None)(self.wait)

    async def wait(self, n: int, ctx: Context) -> int:
        self.attempts.append(ctx.attempt)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return n


async def submit_all(client: Client, topic: str, count: int) -> list[str]:
    return list(await asyncio.gather(*(client.submit(topic, n) for n in range(count))))


async def results_of(client: Client, ids: list[str], within: float = 10) -> list[Any]:
    return list(await asyncio.gather(*(client.result(one, wait=within) for one in ids)))


async def instance_of(client: Client, worker: Worker) -> AgentInstance | None:
    up = await client.registry.instances(agent=worker.agent.name)
    return next((one for one in up if one.instance == worker.instance), None)


# --- slots ----------------------------------------------------------------------------------------


async def test_never_more_run_at_once_than_there_are_slots(
    client: Client, working: Working
) -> None:
    agent, running, most = Agent("busy"), 0, 0

    @agent.task("busy")
    async def busy(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        return n

    async with working(agent, concurrency=3):
        ids = await submit_all(client, "busy", 60)
        assert await results_of(client, ids) == list(range(60))
    assert most == 3


async def test_a_task_may_have_slots_of_its_own(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    gate.agent.task("narrow", concurrency=1, timeout=None)(gate.wait)
    async with working(gate.agent, concurrency=8):
        ids = await submit_all(client, "narrow", 4)
        await eventually(lambda: gate.running == 1)
        gate.open.set()
        await results_of(client, ids)
    assert gate.most == 1


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_high_task_starts_although_every_normal_slot_is_busy(
    client: Client, working: Working, eventually: Eventually, blocking: bool
) -> None:
    import threading

    agent, begun = Agent("lanes"), []
    gate, thread_gate = asyncio.Event(), threading.Event()

    if blocking:

        @agent.task("lane", timeout=None)
        def lane(kind: str) -> None:
            begun.append(kind)
            if kind == "long":
                thread_gate.wait(20)
    else:

        @agent.task("lane", timeout=None)
        async def lane_(kind: str) -> None:
            begun.append(kind)
            if kind == "long":
                await gate.wait()

    async with working(agent, concurrency=2):
        ids = [await client.submit("lane", "long") for _ in range(6)]
        await eventually(lambda: begun == ["long", "long"])
        await client.run("lane", "urgent", priority="high", wait=2)
        assert begun == ["long", "long", "urgent"]
        gate.set()
        thread_gate.set()
        await results_of(client, ids)


async def test_new_options_take_effect_without_a_restart(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent, concurrency=1) as worker:
        ids = await submit_all(client, "wait", 4)
        await eventually(lambda: gate.running == 1)
        worker.change(WorkerOptions(concurrency=3))
        await eventually(lambda: gate.running == 3)
        gate.open.set()
        await results_of(client, ids)


# --- signs of life --------------------------------------------------------------------------------


async def test_a_long_task_is_kept_alive_and_runs_once(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACK_WAIT", 1.0)
    monkeypatch.setattr(pull, "PULSE", 0.1)
    monkeypatch.setattr(in_hand, "TICK", 0.05)
    agent, begun = Agent("long"), []

    @agent.task("long")
    async def long(data: None, ctx: Context) -> int:
        begun.append(ctx.attempt)
        await asyncio.sleep(1.6)
        return ctx.attempt

    async with working(agent):
        assert await client.run("long", wait=10) == 1
    assert begun == [1]


# --- life -----------------------------------------------------------------------------------------


async def test_a_worker_goes_through_its_states_and_tells(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    told: list[str] = []
    agent = Agent("life", version="2.0.0")
    agent.on_start(lambda: told.append("start hook"))

    @agent.on_stop
    async def stopped() -> None:
        told.append("stop hook")

    @agent.task("life")
    async def handle(data: None) -> None:
        told.append("task")

    async with working(agent) as worker:
        worker.lifecycle.on_transition(lambda before, after: told.append(after.value))
        await client.run("life", wait=5)
    assert told == ["start hook", "task", "stopping", "stop hook", "stopped"]
    events = await seen.events(f"agent.*.life.{worker.instance}")
    assert [one.verb for one in events] == ["starting", "running", "stopping", "stopped"]
    assert events[1].data == {"from": "starting", "version": "2.0.0"}


async def test_a_failing_start_hook_keeps_the_agent_from_starting(
    broker: Broker, client: Client, working: Working, seen: Any
) -> None:
    agent, told = Agent("broken"), []
    agent.on_stop(lambda: told.append("cleaned"))

    @agent.on_start
    async def fails() -> None:
        raise RuntimeError("no model")

    @agent.task("never")
    async def never(data: None) -> None:
        told.append("ran")

    task_id = await client.submit("never")
    with pytest.raises(RuntimeError, match="no model"):
        async with working(agent):
            pass
    assert told == ["cleaned"]
    events = await seen.events("agent.error.broken")
    assert len(events) == 1
    assert await client.results.get(task_id) is None


async def test_a_failing_stop_hook_is_logged_and_the_others_run(
    client: Client, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    agent, told = Agent("broken"), []

    @agent.on_stop
    def fails() -> None:
        raise RuntimeError("cannot close")

    agent.on_stop(lambda: told.append("cleaned"))
    with caplog.at_level(logging.ERROR):
        async with working(agent) as worker:
            pass
    assert told == ["cleaned"]
    assert worker.lifecycle.state is State.STOPPED
    assert "worker.hook_failed" in caplog.text


class Old(msgspec.Struct):
    text: str


class New(msgspec.Struct):
    text: int


async def test_an_incompatible_schema_refuses_to_start_and_names_the_field(
    client: Client, working: Working
) -> None:
    first, second = Agent("first"), Agent("second")

    @first.task("shared")
    async def old(data: Old) -> None: ...

    @second.task("shared")
    async def new(data: New) -> None: ...

    async with working(first):
        pass
    with pytest.raises(SchemaIncompatible, match="text"):
        async with working(second):
            pass
    schema = await client.schemas.latest("shared")
    assert schema is not None
    assert (schema.version, schema.agent) == (1, "first")


async def test_a_drain_finishes_what_runs(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent, concurrency=2) as worker:
        ids = await submit_all(client, "wait", 5)
        await eventually(lambda: gate.running == 2)
        worker.stop()
        await eventually(lambda: worker.lifecycle.state is State.STOPPING)
        gate.open.set()
        await eventually(lambda: worker.lifecycle.state is State.STOPPED)
    ended = [one for one in ids if await client.results.get(one) is not None]
    assert len(ended) == 2


async def test_what_exceeds_the_grace_is_given_back_and_is_no_attempt(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent, grace=0.1):
        task_id = await client.submit("wait", 7)
        await eventually(lambda: gate.running == 1)
    assert gate.running == 0  # canceled
    gate.open.set()
    async with working(gate.agent):
        ended = await client.ended(task_id, wait=5)
    assert ended.attempt == 1
    assert gate.attempts == [1, 1]


async def test_a_worker_that_is_canceled_leaves_no_task_running(
    client: Client, broker: Broker, prefix: str, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with connect(broker.url, bus__prefix=prefix) as own:
        worker = Worker(gate.agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run())
        task_id = await client.submit("wait", 5)
        await eventually(lambda: gate.running)
        running.cancel()
        await asyncio.wait({running})
        assert not gate.running
        assert worker.lifecycle.state is State.ERROR
    gate.open.set()
    async with working(gate.agent):
        assert await client.result(task_id, wait=5) == 5  # it was given back


async def test_what_arrives_while_draining_is_given_back_and_is_no_attempt(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent, concurrency=2) as worker:
        first = await client.submit("wait", 1)
        await eventually(lambda: gate.running == 1)
        worker._executor.stopping = True  # pullers still ask, as in the moment of a drain
        second = await client.submit("wait", 2)

        async def given_back() -> bool:
            stream = stream_name(client.prefix, "STEPS")
            info = await api(client.connection, f"STREAM.INFO.{stream}")
            return bool(info["state"]["messages"])

        await eventually(given_back)
        worker._executor.stopping = False
        gate.open.set()
        await results_of(client, [first])
        ended = await client.ended(second, wait=5)
    assert ended.attempt == 1


# --- commands and the registry --------------------------------------------------------------------


async def test_the_registry_shows_state_load_and_version_until_the_end(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent, concurrency=4) as worker:
        await client.submit("wait", 1)

        async def busy() -> AgentInstance | None:
            await eventually(lambda: worker.in_flight == 1)
            worker._beat_soon()
            found = await instance_of(client, worker)
            return found if found is not None and found.load.in_flight == 1 else None

        found: AgentInstance = await eventually(busy)
        assert (found.state, found.version, found.topics) == ("RUNNING", "1.2.3", ["wait"])
        assert found.capabilities == ["waiting"]
        assert found.load.slots == 6  # four, one for the high lane, one for what goes on
        assert found.load.rss_bytes > 0
        gate.open.set()
    assert await instance_of(client, worker) is None


async def test_pause_resume_and_drain_are_obeyed(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    gate.open.set()
    async with working(gate.agent) as worker:
        states: list[State] = []
        worker.lifecycle.on_transition(lambda before, after: states.append(after))
        await eventually(lambda: _up(client, worker))
        await steer(client.connection, client.prefix, "gate", "pause", timeout=5)
        assert worker.lifecycle.state is State.PAUSED
        task_id = await client.submit("wait", 1)
        with pytest.raises(TimeoutError):
            await client.result(task_id, wait=0.3)
        assert not worker.ready
        await steer(client.connection, client.prefix, "gate", "resume", timeout=5)
        assert await client.result(task_id, wait=5) == 1
        await steer(client.connection, client.prefix, "gate", "drain", timeout=5)
        await eventually(lambda: states[-1] is State.STOPPED)


async def _up(client: Client, worker: Worker) -> bool:
    return await instance_of(client, worker) is not None


async def test_a_command_for_another_instance_is_not_ours(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    async with working(gate.agent) as one, working(gate.agent) as two:
        for worker in (one, two):
            await eventually(lambda worker=worker: _up(client, worker))
        await steer(
            client.connection, client.prefix, "gate", "pause", instance=two.instance, timeout=5
        )
        assert (one.lifecycle.state, two.lifecycle.state) == (State.RUNNING, State.PAUSED)


@pytest.mark.parametrize(
    ("command", "body"), [("explode", b"{}"), ("pause", b"[1]"), ("resume", b"")]
)
async def test_a_senseless_command_changes_nothing(
    client: Client,
    working: Working,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    command: str,
    body: bytes,
) -> None:
    gate = Gate()
    gate.open.set()
    with caplog.at_level(logging.INFO):
        async with working(gate.agent) as worker:
            subject = AGENT_CONTROL.of(client.prefix, agent="gate", command=command)
            await client.connection.publish(subject, body)
            await eventually(lambda: "worker.command_" in caplog.text)
            assert worker.lifecycle.state is State.RUNNING
            assert await client.run("wait", 3, wait=5) == 3


async def test_a_command_never_makes_a_worker_write_to_a_subject_of_the_senders(
    client: Client, working: Working, eventually: Eventually
) -> None:
    gate = Gate()
    gate.open.set()
    async with working(gate.agent) as worker:
        stream = stream_name(client.prefix, "RESULTS")
        await client.run("wait", 1, wait=5)
        subject = AGENT_CONTROL.of(client.prefix, agent="gate", command="pause")
        body = AGENT_CONTROL.encode(AgentCommand())
        await client.connection.publish(subject, body, reply=f"$JS.API.STREAM.PURGE.{stream}")
        await eventually(lambda: worker.lifecycle.state is State.PAUSED)
        info = await api(client.connection, f"STREAM.INFO.{stream}")
        assert info["state"]["messages"] == 1


# --- the broker goes and comes back ---------------------------------------------------------------


async def test_a_worker_outlives_its_broker(own_broker: Broker, eventually: Eventually) -> None:
    agent = Agent("patient")

    @agent.task("double")
    async def double(n: int) -> int:
        return 2 * n

    async with connect(own_broker.url) as client, connect(own_broker.url) as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run())
        assert await client.run("double", 1, wait=10) == 2
        own_broker.kill()
        await eventually(lambda: not worker.ready)
        await own_broker.start()
        assert await client.run("double", 2, wait=5) == 4
        worker.stop()
        await running


async def test_acknowledgements_cut_off_by_a_crash_hold_no_slot_and_leave_no_task(
    own_broker: Broker, eventually: Eventually
) -> None:
    agent = Agent("patient")

    @agent.task("double")
    async def double(n: int) -> int:
        return 2 * n

    async with connect(own_broker.url) as client, connect(own_broker.url) as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run())
        for n in range(3):
            # Killed right at the result: the acknowledgement may be on its way.
            assert await client.run("double", n, wait=10) == 2 * n
            own_broker.kill()
            await own_broker.start()
        await eventually(lambda: not worker.in_flight)
        await client.connection.wait_connected(5)
        name = stream_name(client.prefix, "TASKS")

        async def settled() -> bool:
            info = await api(client.connection, f"STREAM.INFO.{name}")
            return not info["state"]["messages"]

        await eventually(settled)
        worker.stop()
        await running
