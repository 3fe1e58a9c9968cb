import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.opening import connect as connect_client
from pepperpy_bus.streams.jetstream import api, delete_message, store
from pepperpy_bus.streams.reading import Stored, all_on
from pepperpy_bus.tasks.scheduled import Schedule
from pepperpy_bus.tasks.schedules import Schedules, wake_at
from pepperpy_schemas.catalog.tasks import DUE_TASK_BARE, SCHEDULE, TASK, TASK_BARE
from pepperpy_schemas.errors import (
    BadSchedule,
    Conflict,
    NotFound,
    TooLarge,
    Unavailable,
    WrongSequence,
)
from pepperpy_schemas.subjects import stream_name

BERLIN = ZoneInfo("Europe/Berlin")


async def queued(bus: Client, topic: str, count: int = 1, within: float = 15) -> list[Stored]:
    """The tasks in the queue, with an id or without, when so many are there."""
    stream = stream_name(bus.prefix, "TASKS")
    async with asyncio.timeout(within):
        while True:
            found = await all_on(bus.connection, stream, TASK_BARE.of(bus.prefix, topic=topic))
            found += await all_on(bus.connection, stream, TASK.pattern(bus.prefix, topic=topic))
            if len(found) >= count:
                return sorted(found, key=lambda one: one.seq)
            await asyncio.sleep(0.02)


async def kept(bus: Client) -> list[Stored]:
    """What the stream of the schedules holds."""
    return await all_on(bus.connection, stream_name(bus.prefix, "SCHED"), f"{bus.prefix}.>")


async def until_empty(bus: Client) -> None:
    async with asyncio.timeout(10):
        while await kept(bus):
            await asyncio.sleep(0.02)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# --- once ---------------------------------------------------------------------------------------


async def test_a_delayed_task_runs_then_with_its_body_id_and_headers(
    bus: Client, worker: Any
) -> None:
    before = datetime.now(UTC)
    async with worker(bus, "echo") as seen:
        result = await bus.run(
            "echo", {"n": 1}, delay="700ms", timeout="5m", headers={"X-Own": "1"}, wait=15
        )
    assert result == {"n": 1}
    assert datetime.now(UTC) - before >= timedelta(seconds=0.7)
    (delivery,) = seen.seen
    assert delivery.headers["pp-timeout-ms"] == "300000"
    assert (delivery.headers["x-own"], delivery.headers["pp-source"]) == ("1", "tester")
    assert delivery.subject.endswith(delivery.headers["pp-id"])
    await until_empty(bus)


@pytest.mark.parametrize("form", ["datetime", "other zone", "text"])
async def test_a_time_is_a_datetime_or_text_with_its_zone(bus: Client, form: str) -> None:
    when = soon(0.6)
    at: Any = {
        "datetime": when,
        "other zone": when.astimezone(BERLIN),
        "text": when.astimezone(BERLIN).isoformat(),
    }[form]
    task_id = await bus.submit("echo", 1, at=at)
    (schedule,) = await bus.schedules.all()
    assert (schedule.id, schedule.recurring, schedule.next()) == (task_id, False, when)
    (task,) = await queued(bus, "echo")
    assert task.subject == TASK.of(bus.prefix, topic="echo", id=task_id)
    assert task.time >= when.isoformat()[:22]


async def test_a_high_priority_task_fires_on_its_lane(bus: Client) -> None:
    await bus.submit("echo", 1, delay=0, priority="high")
    await bus.submit("echo", 1, every="1s", priority="high", id="tick")
    once, again = await queued(bus, "echo-hi", 2)
    assert (once.headers["pp-priority"], again.headers["pp-priority"]) == ("high", "high")
    (schedule,) = await bus.schedules.all()
    assert (schedule.topic, schedule.priority) == ("echo", "high")


async def test_a_delay_counts_by_the_brokers_clock(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    true = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true() - 3_600_000_000_000)
    await bus.submit("echo", 1, delay="1h", id="later")
    at = (await bus.schedules.get("later")).timing.at
    assert at is not None
    assert abs((at - soon(3600)).total_seconds()) < 5


async def test_the_same_id_twice_is_one_schedule_and_another_body_a_conflict(bus: Client) -> None:
    at = soon(3600)
    for _ in range(2):
        assert await bus.submit("echo", 1, id="mine", at=at) == "mine"
        assert await bus.submit("echo", 1, id="relative", delay="1h") == "relative"
        assert await bus.submit("echo", 1, id="tick", every="1h") == "tick"
    assert [one.id for one in await bus.schedules.all()] == ["mine", "relative", "tick"]
    others: list[tuple[str, Any, dict[str, Any]]] = [
        ("echo", 2, {"id": "mine", "at": at}),
        ("other", 1, {"id": "mine", "at": at}),
        ("echo", 1, {"id": "mine", "at": at + timedelta(seconds=1)}),
        ("echo", 1, {"id": "tick", "every": "2h"}),
        ("echo", 1, {"id": "tick", "delay": "1h"}),
        ("echo", 2, {"id": "relative", "delay": "1h"}),
    ]
    for topic, body, options in others:
        with pytest.raises(Conflict, match=options["id"]):
            await bus.submit(topic, body, **options)


async def test_a_large_body_travels_by_reference_while_that_lasts(bus: Client) -> None:
    body = {"text": "x" * 600_000}
    await bus.submit("echo", body, delay="100ms")
    (task,) = await queued(bus, "echo")
    assert task.body == b"null"
    assert task.headers["pp-blob"]
    # Again and again, or long after blobs are gone: in the message itself, if it fits.
    for options in ({"every": "1h"}, {"at": soon(86_400 * 40)}):
        task_id = await bus.submit("echo", body, **options)
        assert len((await bus.schedules.get(task_id)).body) > 600_000
        with pytest.raises(TooLarge) as caught:
            await bus.submit("echo", "x" * 2_000_000, **options)
        assert "fit into a message" in caught.value.hint


# --- again and again ----------------------------------------------------------------------------


async def test_each_firing_is_a_task_of_its_own_that_names_its_schedule(
    bus: Client, worker: Any
) -> None:
    async with worker(bus, "echo") as seen:
        schedule_id = await bus.submit("echo", "tick", every="1s", headers={"X-Own": "1"})
        async with asyncio.timeout(15):
            while len(seen.seen) < 2:
                await asyncio.sleep(0.02)
    first, second = seen.seen[:2]
    assert first.subject == second.subject == TASK_BARE.of(bus.prefix, topic="echo")
    for one in (first, second):
        assert (one.headers["pp-schedule-id"], one.headers["x-own"]) == (schedule_id, "1")
        assert "pp-id" not in one.headers
    (schedule,) = await bus.schedules.all()
    assert schedule.recurring
    following = schedule.next()
    assert following is not None
    assert timedelta(0) < following - datetime.now(UTC) <= timedelta(seconds=2)


async def test_cron_fires_at_its_seconds(bus: Client) -> None:
    await bus.submit("echo", 1, cron="*/2 * * * * *", tz="Europe/Berlin")
    tasks = await queued(bus, "echo", 2)
    assert all(int(task.time[17:19]) % 2 == 0 for task in tasks)


async def test_the_next_time_of_cron_is_told_in_its_zone(bus: Client) -> None:
    await bus.submit("report", None, cron="30 7 * * *", tz="Europe/Berlin", id="daily")
    await bus.submit("report", None, cron="30 7 * * *", id="daily-utc")
    july, january = datetime(2027, 7, 1, tzinfo=UTC), datetime(2027, 1, 10, tzinfo=UTC)
    daily, in_utc = await bus.schedules.all(topic="report")
    assert daily.next(july) == datetime(2027, 7, 1, 5, 30, tzinfo=UTC)
    assert daily.next(january) == datetime(2027, 1, 10, 6, 30, tzinfo=UTC)
    assert in_utc.next(july) == datetime(2027, 7, 1, 7, 30, tzinfo=UTC)


# --- what the server says of the next time is what we say ---------------------------------------


@pytest.mark.parametrize(
    ("cron", "tz"),
    [
        ("*/1 * * * * *", "Europe/Berlin"),
        ("0-59/2 * * * * *", "America/St_Johns"),
        ("* * * ? * sun-sat", "Asia/Kathmandu"),
    ],
)
async def test_the_server_agrees_about_the_next_time(bus: Client, cron: str, tz: str) -> None:
    schedule_id = await bus.submit("echo", 1, cron=cron, tz=tz)
    (task,) = (await queued(bus, "echo"))[:1]
    stored = datetime.fromisoformat(task.time[:19] + "Z")
    schedule = await bus.schedules.get(schedule_id)
    assert schedule.next(stored) == datetime.fromisoformat(task.headers["nats-schedule-next"])


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words", "hint"),
    [
        ({"at": "2030-01-01T00:00:00Z", "every": "1h"}, "at and every", "one of them"),
        ({"delay": 1, "cron": "@daily"}, "delay and cron", "one of them"),
        ({"tz": "Europe/Berlin"}, "tz is 'Europe/Berlin' without cron", "zone of cron="),
        ({"delay": 1, "tz": "UTC"}, "tz is 'UTC' without cron", "at= carries its own"),
        ({"at": "2020-01-01T00:00:00Z"}, "ago by the broker's clock", "leave it out"),
        ({"at": "9999-01-01T00:00:00Z"}, "more than 100 years", "earlier"),
        ({"at": "2030-01-01T00:00:00"}, "at is '2030-01-01T00:00:00'", "with its zone"),
        ({"at": "tomorrow"}, "at is 'tomorrow'", "with its zone"),
        ({"at": datetime(2030, 1, 1)}, "which has no time zone", "tzinfo="),  # noqa: DTZ001
        ({"delay": "soon"}, "delay: duration 'soon'", "5m"),
        ({"delay": -1}, "delay: duration -1", "between 0"),
        ({"every": "500ms"}, "every is 500ms", "whole seconds"),
        ({"every": "1.5s"}, "every is 1.5s", "whole seconds"),
        ({"cron": "61 * * * * *"}, "'61' for the second", "0-59"),
        ({"cron": "@daily", "tz": "Mars/Phobos"}, "no time zone 'Mars/Phobos'", "Europe/Berlin"),
        ({"cron": "@daily", "tz": "Local"}, "no time zone 'Local'", "Europe/Berlin"),
    ],
)
async def test_a_wrong_schedule_is_refused_with_the_way_out(
    bus: Client, options: dict[str, Any], words: str, hint: str
) -> None:
    with pytest.raises(BadSchedule, match=words) as caught:
        await bus.submit("echo", 1, **options)
    assert hint in caught.value.hint
    assert caught.value.context["option"] in {*options, "key"}
    assert await kept(bus) == []


async def test_nothing_said_of_the_time_is_now(bus: Client) -> None:
    options: dict[str, Any] = dict.fromkeys(("at", "delay", "every", "cron", "tz"))
    await bus.submit("echo", 1, **options)
    assert await kept(bus) == []
    assert len(await queued(bus, "echo")) == 1


async def test_nobody_waits_for_the_one_result_of_many_tasks(bus: Client) -> None:
    with pytest.raises(BadSchedule, match="more than one result"):
        await bus.run("echo", 1, every="1h")
    assert await bus.schedules.all() == []


# --- look and steer -----------------------------------------------------------------------------


async def test_a_paused_schedule_is_kept_and_does_not_fire_until_it_is_resumed(
    bus: Client,
) -> None:
    await bus.submit("once", 1, delay="500ms", id="one", headers={"X-Own": "1"})
    await bus.submit("tick", 2, cron="* * * * * *", tz="Europe/Berlin", id="ticks")
    for schedule_id in ("one", "ticks"):
        for _ in range(2):
            paused = await bus.schedules.pause(schedule_id)
            assert (paused.paused, paused.next()) == (True, None)
    # What fires after them has passed them by.
    await bus.submit("mark", 3, delay="1500ms")
    before = len(await all_on(bus.connection, stream_name(bus.prefix, "TASKS"), f"{bus.prefix}.>"))
    await queued(bus, "mark")
    stream = stream_name(bus.prefix, "TASKS")
    assert len(await all_on(bus.connection, stream, f"{bus.prefix}.>")) == before + 1
    assert [one.paused for one in await bus.schedules.all()] == [True, True]
    for schedule_id in ("one", "ticks"):
        assert not (await bus.schedules.resume(schedule_id)).paused
    (once,) = await queued(bus, "once")
    assert (once.headers["pp-id"], once.headers["x-own"], once.body) == ("one", "1", b"1")
    tick = (await queued(bus, "tick", before + 1))[0]
    assert tick.headers["pp-schedule-id"] == "ticks"
    assert (await bus.schedules.get("ticks")).timing.tz == "Europe/Berlin"


async def test_a_removed_schedule_is_gone_and_its_id_free_at_once(bus: Client) -> None:
    await bus.submit("echo", 1, every="1s", id="tick")
    await bus.schedules.remove("tick")
    assert await bus.schedules.all() == []
    with pytest.raises(NotFound, match="no schedule tick"):
        await bus.schedules.get("tick")
    await bus.submit("echo", 2, delay="1h", id="tick")
    assert (await bus.schedules.get("tick")).body == b"2"
    await bus.schedules.remove("tick")
    await until_empty(bus)


@pytest.mark.parametrize("moment", ["before it is seen", "once it is seen"])
async def test_an_id_is_free_while_what_took_its_schedules_place_goes(
    bus: Client, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    await bus.submit("echo", 1, every="1h", id="tick")
    await bus.schedules.remove("tick")
    read = Schedules._last
    reads = 0

    async def last(schedules: Schedules, schedule_id: str) -> Stored | None:
        nonlocal reads
        reads += 1
        if reads != 2:  # the first is of the write that was refused
            return await read(schedules, schedule_id)
        found = await read(schedules, schedule_id)
        assert found is not None
        await until_empty(bus)
        return None if moment == "before it is seen" else found

    monkeypatch.setattr(Schedules, "_last", last)
    await bus.submit("echo", 2, every="1h", id="tick")
    assert (await bus.schedules.get("tick")).body == b"2"


async def test_an_id_that_is_never_free_is_refused_for_now(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(schedules: Schedules, schedule: Schedule) -> int:
        raise WrongSequence

    monkeypatch.setattr(Schedules, "_keep", keep)
    with pytest.raises(Unavailable, match="schedule tick") as caught:
        await bus.submit("echo", 1, every="1h", id="tick")
    assert isinstance(caught.value.__cause__, WrongSequence)


async def test_what_is_not_there_is_not_found(bus: Client) -> None:
    for act in (bus.schedules.get, bus.schedules.pause, bus.schedules.resume, bus.schedules.remove):
        with pytest.raises(NotFound) as caught:
            await act("never")
        assert "pepperpy schedules ls" in caught.value.hint


async def test_a_wake_is_no_schedule_of_a_users(bus: Client) -> None:
    await wake_at(
        bus.connection,
        bus.prefix,
        topic="echo",
        task_id="t",
        when=soon(3600),
        body=b"{}",
        name="wake",
    )
    assert await bus.schedules.all() == []
    with pytest.raises(NotFound):
        await bus.schedules.remove("wake")


async def test_what_bare_clients_schedule_is_listed_with_the_rest(bus: Client) -> None:
    headers = {
        "Nats-Schedule": "@every 1h30m",
        "Nats-Schedule-Target": DUE_TASK_BARE.of(bus.prefix, topic="echo"),
    }
    await store(
        bus.connection, SCHEDULE.of(bus.prefix, id="foreign"), b"{}", msg_id="f", headers=headers
    )
    (found,) = await bus.schedules.all()
    following = found.next()
    assert (found.id, found.timing.spec, found.source) == ("foreign", "@every 1h30m", "")
    assert following is not None
    assert abs((following - soon(5400)).total_seconds()) < 5


# --- restarts -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def restarted(broker: Broker, *, down: float = 0.0) -> AsyncIterator[Client]:
    """A client of a broker that was killed and started again."""
    broker.kill()
    await asyncio.sleep(down)
    broker.start_sync()
    async with connect_client(broker.url) as client:
        yield client


async def empty_queue(bus: Client) -> list[str]:
    """Takes the tasks out of the queue, as workers do; returns the ids of schedules or tasks."""
    stream = stream_name(bus.prefix, "TASKS")
    found = await all_on(bus.connection, stream, f"{bus.prefix}.>")
    for one in found:
        await delete_message(bus.connection, stream, one.seq)
    return [one.subject.rpartition(".")[2] for one in found]


async def test_schedules_survive_the_death_of_everything(own_broker: Broker) -> None:
    async with connect_client(own_broker.url) as bus:
        await bus.submit("once", 1, delay="4s", id="in-time")
        await bus.submit("once", 2, delay="1500ms", id="missed")
        await bus.submit("once", 3, delay="1h", id="far")
        await bus.submit("tick", 4, every="2s", id="tick")
        await bus.submit("paused", 5, every="1s", id="paused")
        await bus.schedules.pause("paused")
    async with restarted(own_broker, down=1.5) as bus:
        ids = [task.headers["pp-id"] for task in await queued(bus, "once", 2)]
        assert ids == ["missed", "in-time"]
        assert (await queued(bus, "tick"))[0].headers["pp-schedule-id"] == "tick"
        left = {one.id: one.paused for one in await bus.schedules.all()}
        assert left == {"far": False, "tick": False, "paused": True}


async def test_what_has_fired_does_not_come_again_after_a_kill(own_broker: Broker) -> None:
    async with connect_client(own_broker.url) as bus:
        for n in range(3):
            await bus.submit("once", n, delay=0, id=f"one{n}")
        await queued(bus, "once", 3)
        assert sorted(await empty_queue(bus)) == ["one0", "one1", "one2"]
    async with restarted(own_broker) as bus:
        await bus.submit("once", 9, delay=0, id="after")
        await queued(bus, "once")
        assert await empty_queue(bus) == ["after"]


async def test_what_fires_into_a_full_queue_comes_when_there_is_room(bus: Client) -> None:
    tasks = stream_name(bus.prefix, "TASKS")
    config = (await api(bus.connection, f"STREAM.INFO.{tasks}"))["config"]
    await api(bus.connection, f"STREAM.UPDATE.{tasks}", {**config, "max_msgs": 2})
    for n in range(4):
        await bus.submit("once", n, delay="300ms", id=f"one{n}")
    await queued(bus, "once", 2)
    seen: list[str] = []
    async with asyncio.timeout(30):
        while len(seen) < 4:
            seen += await empty_queue(bus)
            await asyncio.sleep(0.05)
    assert sorted(seen) == [f"one{n}" for n in range(4)]
