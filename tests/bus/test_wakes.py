import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.reading import Stored, all_on, last_on
from pepperpy_bus.tasks.schedules import forget_wake, wake_at
from pepperpy_bus.units import BadUnit
from pepperpy_schemas.catalog import RESUME, SCHEDULE
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.messages import Resume
from pepperpy_schemas.subjects import stream_name

Streams = Callable[..., Awaitable[None]]


@pytest.fixture
async def deployment(connection: Connection, prefix: str, streams: Streams) -> str:
    await streams(connection, prefix, "ANSWERS", "SCHED", "TASKS")
    return prefix


def deadline(n: int) -> bytes:
    return RESUME.encode(Resume("deadline", n))


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def resumed(connection: Connection, prefix: str, count: int) -> list[Stored]:
    """The wakes in the workers' queue, when so many have arrived."""
    stream, subject = stream_name(prefix, "TASKS"), RESUME.pattern(prefix)
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
