"""Everything that a real bus has, read and handed on."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from pepperpy_bus.client import Client
from pepperpy_bus.registry import Registry
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.units import now
from pepperpy_monitor_svc.reading.broker import BrokerReader
from pepperpy_monitor_svc.reading.positions import KeptPositions
from pepperpy_monitor_svc.reading.reading import Reading
from pepperpy_monitor_svc.reading.submissions import task_place
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.messages import AgentInstance, DeadLetter, Load
from pepperpy_schemas.monitor import BrokerFigures
from tests.monitor_svc.reading.conftest import Recorder, at_work, until

Works = Callable[..., AbstractAsyncContextManager[Any]]


def instance(name: str) -> AgentInstance:
    moment = now()
    return AgentInstance(
        "otter", name, "1.0.0", "RUNNING", ["triage"], [], Load(), "host", 1, moment, moment
    )


async def test_a_task_is_seen_waiting_working_and_ended(
    bus: Client, recorder: Recorder, worker: Works
) -> None:
    async with at_work(Reading(bus, recorder, read={}).works()):
        submitted = await bus.submit("triage", {"n": 1}, parent="p1", priority="high")
        keyed = await bus.submit("triage", {"n": 2}, key="otter")
        await bus.connection.publish(f"{bus.prefix}.task.triage", b"{}")
        await until(lambda: len(recorder.waiting) == 3)
        ids = [(topic, task_id) for topic, task_id, _ in recorder.waiting]
        assert ids[0] == ("triage", submitted)
        assert {("triage", keyed), ("triage", f"{bus.prefix.upper()}_TASKS-2")} == set(ids[1:])
        assert recorder.waiting[0][2]["pp-parent"] == "p1"
        assert all(abs(at - now().timestamp()) < 60 for at in recorder.times)
        async with worker(bus, "triage"):
            await until(lambda: len(recorder.results) == 2)
    ends = dict(recorder.results)
    assert submitted in ends
    assert ends[submitted].startswith(b'{"ok":true')


async def test_events_and_dead_letters_are_handed_on_as_they_are(
    bus: Client, recorder: Recorder
) -> None:
    letter = DeadLetter("t1", "triage", now(), "timeout", ErrorInfo("timeout", "bus", "late", True))
    reading = Reading(bus, recorder, read={})
    subject = EVENT.of(bus.prefix, entity="task", verb="odd", scope="triage", id="t1")
    await bus.connection.request(subject, b"no JSON at all")
    await bus.connection.request(f"{bus.prefix}.dlq.triage", b"nor is this")
    await bus.dead_letters.put(letter)
    async with at_work(reading.works()):
        await asyncio.wait_for(reading.complete(), 10)
        assert reading.is_complete
        assert recorder.events == [(subject, b"no JSON at all", 1)]
        assert recorder.letters == [("triage", ""), ("triage", "t1")]
        assert reading.failures == 0


async def test_who_comes_and_who_goes_is_seen(bus: Client, recorder: Recorder) -> None:
    registry = Registry(bus.connection, bus.prefix)
    await registry.beat(instance("i1"))
    async with at_work(Reading(bus, recorder, read={}).works()):
        await until(lambda: [one.instance for one in recorder.beats] == ["i1"])
        await bus.connection.request(f"$KV.{bus.prefix}_registry.otter.i2", b"no instance")
        await registry.beat(instance("i3"))
        await until(lambda: [one.instance for one in recorder.beats] == ["i1", "i3"])
        await registry.forget(instance("i1"))
        await until(lambda: recorder.left == [("otter", "i1")])


async def test_the_broker_is_told_with_what_waits_and_for_how_long(
    bus: Client, recorder: Recorder, worker: Works
) -> None:
    async with worker(bus, "triage", hold=True) as busy:
        first = await bus.submit("triage", {"n": 1})
        await bus.submit("nobody", {"n": 1})
        await bus.submit("nobody", {"n": 2}, priority="high")
        await until(lambda: busy.seen)
        async with at_work(Reading(bus, recorder, read={}).works()):
            await until(lambda: recorder.figures)
    figures = recorder.figures[0]
    assert figures.connected
    assert figures.version
    assert figures.rtt_ms
    topics = {one.topic: one for one in figures.topics}
    assert (topics["triage"].waiting, topics["triage"].in_hand) == (0, 1)
    assert topics["triage"].pulls == 2  # one a lane
    assert 0 <= (topics["triage"].oldest_s or -1) < 60
    assert (topics["nobody"].waiting, topics["nobody"].in_hand) == (2, 0)
    assert topics["nobody"].oldest_s is not None
    streams = {one.name: one for one in figures.streams}
    tasks = streams[f"{bus.prefix.upper()}_TASKS"]
    assert (tasks.messages, tasks.last_seq) == (3, 3)
    assert {one.name for one in tasks.consumers} == {"w_triage", "w_triage-hi"}
    assert first


async def test_the_broker_is_looked_at_by_the_clock_of_the_server(bus: Client) -> None:
    looks: list[tuple[bool, float]] = []

    def take(figures: BrokerFigures, at: float) -> None:
        looks.append((figures.connected, at))

    async with at_work(BrokerReader(bus.connection, bus.prefix, take, clock=lambda: 42.0).run):
        await until(lambda: looks)
    assert looks == [(True, 42.0)]


async def test_a_broker_that_does_not_answer_in_time_has_not_said_that_nothing_waits(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts of what waits would be over, and fire again with its next answer."""
    looks: list[bool] = []

    def take(figures: BrokerFigures, _at: float) -> None:
        looks.append(figures.connected)

    async def look(_self: BrokerReader) -> BrokerFigures:
        raise Unavailable("the server did not answer in time")

    monkeypatch.setattr(BrokerReader, "look", look)
    async with at_work(BrokerReader(bus.connection, bus.prefix, take).run):
        await until(lambda: looks)
    assert looks == [False]


async def test_positions_are_kept_for_the_next_monitor(bus: Client, recorder: Recorder) -> None:
    await bus.connection.request(f"{bus.prefix}.event.task.x.y.z", b"{}")
    reading = Reading(bus, recorder, read={})
    async with at_work(reading.works()):
        await asyncio.wait_for(reading.complete(), 10)
        await until(lambda: reading.positions)
    kept = KeptPositions(Cells(bus.connection, bus.prefix))
    assert await kept.read() == {}
    await kept.save(reading.positions)
    again = await KeptPositions(Cells(bus.connection, bus.prefix)).read()
    assert {name: one.seq for name, one in again.items()} == {f"{bus.prefix.upper()}_EVENTS": 1}


def test_a_noted_task_has_the_id_that_its_worker_calls_it_by() -> None:
    def place(subject: str, **headers: str) -> tuple[str, str] | None:
        return task_place(subject, {"nats-sequence": "7", **headers})

    assert place("pp.noted.task.triage") == ("triage", "PP_TASKS-7")
    assert place("pp.noted.task.triage-hi.t1") == ("triage", "t1")
    assert place("pp.noted.task.triage-v1_2_0.t1") == ("triage", "t1")
    assert place("pp.noted.task.triage", **{"pp-id": "t2"}) == ("triage", "t2")
    assert place("pp.noted.task.triage.t1", **{"pp-id": "not valid"}) == ("triage", "PP_TASKS-7")
    assert place("pp.noted.sh.triage.parked.otter.t3") == ("triage", "t3")
    assert place("pp.noted.ctl.cancel.t1") is None
    assert place("other") is None
