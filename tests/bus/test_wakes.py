import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.consumers import resume_consumer
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import PubAck, store
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.streams.reading import Stored, all_on, last_on
from pepperpy_bus.tasks import wakes
from pepperpy_bus.tasks.schedules import forget_wake, wake_at
from pepperpy_bus.tasks.wakes import wake
from pepperpy_bus.units import BadUnit
from pepperpy_schemas.catalog.tasks import RESUME, SCHEDULE
from pepperpy_schemas.errors import BadName, WrongSequence
from pepperpy_schemas.messages import Resume
from pepperpy_schemas.subjects import stream_name

Streams = Callable[..., Awaitable[None]]


@pytest.fixture
async def deployment(connection: Connection, prefix: str, streams: Streams) -> str:
    await streams(connection, prefix, "ANSWERS", "SCHED", "RESUME", "TASKS")
    return prefix


def deadline(n: int) -> bytes:
    return RESUME.encode(Resume("deadline", n))


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def resumed(connection: Connection, prefix: str, count: int) -> list[Stored]:
    """The wakes in the workers' queue, when so many have arrived."""
    stream, subject = stream_name(prefix, RESUME.stream), RESUME.pattern(prefix)
    async with asyncio.timeout(10):
        while len(found := await all_on(connection, stream, subject)) < count:
            await asyncio.sleep(0.02)
    return found


async def test_a_wake_resumes_the_task_at_its_time(connection: Connection, deployment: str) -> None:
    when = soon(0.6)
    await wake_at(
        connection, deployment, topic="buy", task_id="t1", when=when, body=deadline(3), name="w1"
    )
    (wake,) = await resumed(connection, deployment, 1)
    assert wake.subject == RESUME.of(deployment, topic="buy", id="t1")
    assert RESUME.decode(wake.body) == Resume("deadline", 3)
    assert wake.time >= when.isoformat()[:23]


async def test_a_wake_of_the_past_resumes_at_once(connection: Connection, deployment: str) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await wake_at(
        connection, deployment, topic="buy", task_id="t1", when=past, body=deadline(1), name="w1"
    )
    assert len(await resumed(connection, deployment, 1)) == 1


async def test_a_new_wake_replaces_the_one_of_its_name(
    connection: Connection, deployment: str
) -> None:
    for n, later in ((1, 0.4), (2, 0.9)):
        await wake_at(
            connection,
            deployment,
            topic="buy",
            task_id="t1",
            when=soon(later),
            body=deadline(n),
            name="w1",
        )
    (wake,) = await resumed(connection, deployment, 1)
    assert RESUME.decode(wake.body).n == 2


async def test_a_forgotten_wake_never_comes_and_leaves_nothing(
    connection: Connection, deployment: str
) -> None:
    for name, later in (("w1", 0.4), ("w2", 1.2)):
        await wake_at(
            connection,
            deployment,
            topic="buy",
            task_id=name,
            when=soon(later),
            body=deadline(1),
            name=name,
        )
    await forget_wake(connection, deployment, "w1")
    await forget_wake(connection, deployment, "never-there")
    (wake,) = await resumed(connection, deployment, 1)
    assert wake.subject.endswith(".w2")
    stream = stream_name(deployment, "SCHED")
    async with asyncio.timeout(10):
        while await all_on(connection, stream, SCHEDULE.pattern(deployment)):
            await asyncio.sleep(0.02)


async def test_a_wake_without_zone_or_with_a_bad_name_is_refused(
    connection: Connection, deployment: str
) -> None:
    with pytest.raises(BadUnit, match="no time zone"):
        await wake_at(
            connection,
            deployment,
            topic="buy",
            task_id="t1",
            when=datetime(2030, 1, 1),  # noqa: DTZ001 - naive on purpose
            body=deadline(1),
            name="w1",
        )
    with pytest.raises(BadName):
        await forget_wake(connection, deployment, "a.b")
    assert await last_on(connection, stream_name(deployment, "SCHED"), f"{deployment}.>") is None


# --- wakes that meet another one ------------------------------------------------------------------


@contextlib.asynccontextmanager
async def taking(connection: Connection, prefix: str) -> AsyncIterator["asyncio.Queue[Delivery]"]:
    """A worker's hands: what it is given, unsettled."""
    stream, config = stream_name(prefix, RESUME.stream), resume_consumer(prefix, "buy")
    await ensure_consumer(connection, stream, config)
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    async with Puller(connection, stream, config["name"], slots=9, on_delivery=taken.put_nowait):
        yield taken


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the server has refused a wake."""
    seen = asyncio.Event()

    async def watched(*args: Any, **options: Any) -> PubAck:
        try:
            return await store(*args, **options)
        except WrongSequence:
            seen.set()
            raise

    monkeypatch.setattr(wakes, "store", watched)
    return seen


@pytest.fixture
def replicated(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server, taken for one of several."""
    monkeypatch.setattr(wakes, "_is_replicated", lambda _: True)


async def test_a_wake_that_meets_one_that_is_just_being_settled_is_not_lost(
    connection: Connection, deployment: str, refused: asyncio.Event, replicated: None
) -> None:
    task: dict[str, Any] = {"topic": "buy", "task_id": "t1", "resume": Resume("check")}
    async with taking(connection, deployment) as taken, asyncio.timeout(10):
        await wake(connection, deployment, **task)
        first = await taken.get()
        second = asyncio.create_task(wake(connection, deployment, **task))
        # As in a cluster, where a message leaves its queue after its acknowledgement.
        await refused.wait()
        await first.ack()
        await second
        assert (await taken.get()).seq > first.seq


async def test_a_wake_that_nobody_has_taken_yet_stands_for_those_that_follow(
    connection: Connection, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "_PAUSE", 1000.0)
    task: dict[str, Any] = {"topic": "buy", "task_id": "t1", "resume": Resume("check")}
    async with asyncio.timeout(10):
        for _ in range(3):
            await wake(connection, deployment, **task)  # no worker has ever been there
        async with taking(connection, deployment) as taken:
            await (await taken.get()).ack()
        for _ in range(3):
            await wake(connection, deployment, **task)  # the worker is gone
    assert len(await resumed(connection, deployment, 1)) == 1


async def test_a_wake_that_was_stored_since_stands_for_those_that_were_refused_before(
    connection: Connection, deployment: str, replicated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many children that end together each would set off a look of their parent otherwise."""
    looked, read = asyncio.Event(), wakes.last_as_stored

    async def look(*args: Any) -> Stored | None:
        found = await read(*args)
        looked.set()
        return found

    monkeypatch.setattr(wakes, "last_as_stored", look)
    monkeypatch.setattr(wakes, "_TRIES", 20)  # for days
    monkeypatch.setattr(wakes, "_PAUSE", 0.5)
    task: dict[str, Any] = {"topic": "buy", "task_id": "t1", "resume": Resume("check")}
    async with taking(connection, deployment) as taken, asyncio.timeout(10):
        await wake(connection, deployment, **task)
        first = await taken.get()
        refused = asyncio.create_task(wake(connection, deployment, **task))
        await looked.wait()
        await first.ack()
        subject = RESUME.of(deployment, topic="buy", id="t1")
        await store(connection, subject, deadline(1))
        await taken.get()  # and it stays in hand
        await refused


async def test_a_wake_in_hand_stands_for_others_where_nothing_lingers(
    connection: Connection, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "_PAUSE", 1000.0)
    task: dict[str, Any] = {"topic": "buy", "task_id": "t1", "resume": Resume("check")}
    async with taking(connection, deployment) as taken, asyncio.timeout(10):
        await wake(connection, deployment, **task)
        await taken.get()
        await wake(connection, deployment, **task)
