"""Deployments of an earlier version, which kept wakes among the tasks."""

import asyncio
from typing import Any

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.consumers import resume_consumer
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import (
    create_missing,
    ensure_consumer,
    ensure_topic,
    provision,
)
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.streams.reading import all_on
from pepperpy_bus.streams.topology import Config, Limits, streams
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.moved_wakes import OldWakes
from pepperpy_bus.upgrading import apply, compare
from pepperpy_schemas.catalog.tasks import ANSWER, DUE_RESUME, RESUME, TASK
from pepperpy_schemas.errors import TopologyDrift, Unavailable
from pepperpy_schemas.subjects import stream_name


def as_it_was(prefix: str) -> list[Config]:
    """The declaration of the version before: one queue for both."""
    declared = {one["name"]: one for one in streams(prefix, Limits())}
    new = declared.pop(stream_name(prefix, "RESUME"))
    old = declared[stream_name(prefix, "TASKS")]
    answers, due = new["sources"]
    [scheduled] = old["sources"]
    transforms = [*scheduled["subject_transforms"], *due["subject_transforms"]]
    old["subjects"] = [*old["subjects"], *new["subjects"]]
    old["sources"] = [answers, {**scheduled, "subject_transforms": transforms}]
    return list(declared.values())


@pytest.fixture
async def old(connection: Connection, prefix: str) -> list[Config]:
    """The declaration of this version, and a deployment of the one before."""
    await create_missing(connection, as_it_was(prefix))
    await ensure_topic(connection, prefix, "buy")
    config = resume_consumer(prefix, "buy")
    await ensure_consumer(connection, stream_name(prefix, "TASKS"), config)
    return streams(prefix, Limits())


async def wakes(connection: Connection, prefix: str, suffix: str = RESUME.stream) -> list[str]:
    found = await all_on(connection, stream_name(prefix, suffix), RESUME.pattern(prefix))
    return sorted(RESUME.parse(prefix, one.subject)["id"] for one in found)


async def arrived(connection: Connection, prefix: str, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(found := await wakes(connection, prefix)) < count:
            await asyncio.sleep(0.02)
    return found


async def wake(connection: Connection, prefix: str, task_id: str) -> int:
    subject = RESUME.of(prefix, topic="buy", id=task_id)
    return (await store(connection, subject, b'{"reason":"check"}')).seq


async def test_apply_moves_what_waits_and_what_comes_later(
    connection: Connection, prefix: str, old: list[Config]
) -> None:
    for one in ("a", "b"):
        await wake(connection, prefix, one)
    task = TASK.of(prefix, topic="buy", id="t")
    await store(connection, task, b"1")
    settings = {one.setting for one in await compare(connection, old)}
    assert {"subjects", "sources", "wakes", "stream"} <= settings

    await apply(connection, old)

    assert await compare(connection, old) == []
    assert await wakes(connection, prefix) == ["a", "b"]
    assert await wakes(connection, prefix, "TASKS") == []
    assert len(await all_on(connection, stream_name(prefix, "TASKS"), task)) == 1
    names = (await api(connection, f"CONSUMER.NAMES.{stream_name(prefix, 'TASKS')}"))["consumers"]
    assert sorted(names) == ["w_buy", "w_buy-hi"]
    # From the answers and the schedules they come to their queue now.
    await store(connection, ANSWER.of(prefix, topic="buy", id="c", question="1"), b"1")
    await store(connection, DUE_RESUME.of(prefix, topic="buy", id="d"), b'{"reason":"deadline"}')
    assert await arrived(connection, prefix, 4) == ["a", "b", "c", "d"]


async def test_what_came_while_neither_queue_kept_wakes_is_not_lost(
    connection: Connection, prefix: str, old: list[Config]
) -> None:
    await wake(connection, prefix, "a")
    await OldWakes(connection, old).give_up()  # and the operator's terminal dies
    await store(connection, ANSWER.of(prefix, topic="buy", id="b", question="1"), b"1")
    await store(connection, DUE_RESUME.of(prefix, topic="buy", id="c"), b'{"reason":"deadline"}')
    assert "wakes" in {one.setting for one in await compare(connection, old)}

    await apply(connection, old)

    assert await arrived(connection, prefix, 3) == ["a", "b", "c"]


async def test_a_task_that_ran_on_a_moved_wake_goes_on_with_the_other_one(
    connection: Connection, prefix: str, old: list[Config]
) -> None:
    seq = await wake(connection, prefix, "a")
    journal = Journal(connection, prefix, "a", "killed")
    await journal.claim(2, f"{stream_name(prefix, 'TASKS')}-{seq}")
    await apply(connection, old)
    await journal.read()
    assert journal.history.is_adrift
    assert await wakes(connection, prefix) == ["a"]


async def test_apply_changes_nothing_while_workers_of_the_earlier_version_are_up(
    connection: Connection, prefix: str, old: list[Config]
) -> None:
    await wake(connection, prefix, "a")
    stream = stream_name(prefix, "TASKS")
    taken: list[Any] = []
    async with Puller(connection, stream, "r_buy", slots=2, on_delivery=taken.append):
        async with asyncio.timeout(10):
            while not taken:
                await asyncio.sleep(0.01)
        with pytest.raises(TopologyDrift, match="take wakes of buy") as refused:
            await apply(connection, old)
        assert "stop them" in refused.value.hint
    info = await api(connection, f"STREAM.INFO.{stream}")
    assert f"{prefix}.resume.>" in info["config"]["subjects"]


async def test_a_worker_of_this_version_says_what_an_old_deployment_needs(
    connection: Connection, prefix: str, old: list[Config]
) -> None:
    with pytest.raises(TopologyDrift, match="kept by a stream of an earlier version") as refused:
        await provision(connection, old, create=True)
    assert "pepperpy bus apply" in refused.value.hint


async def test_a_fresh_deployment_has_nothing_to_move(connection: Connection, prefix: str) -> None:
    declared = streams(prefix, Limits())
    await create_missing(connection, declared)
    assert await OldWakes(connection, declared).count() == 0
    assert await apply(connection, declared) == []
    with pytest.raises(Unavailable):
        await store(connection, f"{prefix}.nothing.keeps.this", b"", timeout=0.1)
