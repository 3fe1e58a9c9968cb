import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import (
    Drift,
    apply,
    compare,
    create_missing,
    ensure_consumer,
    provision,
    stream_names,
)
from pepperpy_bus.streams.topology import Config, Limits, streams
from pepperpy_schemas.errors import NotFound, QueueFull, RefusedByServer, TopologyDrift

Async = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
def declared(prefix: str) -> list[Config]:
    return streams(prefix, Limits())


def the(declared: list[Config], suffix: str) -> Config:
    return next(one for one in declared if one["name"].endswith(suffix))


async def config_of(connection: Connection, name: str) -> Config:
    return dict((await api(connection, f"STREAM.INFO.{name}"))["config"])


async def test_everything_is_created_once_and_then_is_as_declared(
    connection: Connection, declared: list[Config]
) -> None:
    assert await create_missing(connection, declared) == [one["name"] for one in declared]
    assert await create_missing(connection, declared) == []
    assert await compare(connection, declared) == []
    assert await apply(connection, declared) == []
    assert {one["name"] for one in declared} <= await stream_names(connection)


async def sourced(connection: Connection, declared: list[Config], suffix: str) -> list[str]:
    """The consumers by which another stream takes from this one, that are acknowledged at once."""
    answer = await api(connection, f"CONSUMER.LIST.{the(declared, suffix)['name']}")
    return [
        one["name"]
        for one in sorted(answer["consumers"] or (), key=lambda one: str(one["name"]))
        if one["config"]["ack_policy"] == "flow_control" and one["config"]["max_ack_pending"] == 1
    ]


async def test_a_stream_takes_from_others_by_consumers_of_ours(
    connection: Connection, declared: list[Config]
) -> None:
    await create_missing(connection, declared)
    assert await sourced(connection, declared, "_ANSWERS") == ["source"]
    assert await sourced(connection, declared, "_SCHED") == ["resume", "source"]
    await api(connection, f"STREAM.DELETE.{the(declared, '_SCHED')['name']}")
    await create_missing(connection, declared)
    assert await sourced(connection, declared, "_SCHED") == ["resume", "source"]


async def test_a_source_whose_consumer_is_gone_is_found_and_mended(
    connection: Connection, declared: list[Config]
) -> None:
    await create_missing(connection, declared)
    sched = the(declared, "_SCHED")["name"]
    await api(connection, f"CONSUMER.DELETE.{sched}.source")
    missing = [Drift(sched, "consumer source", "present", "missing", fixed=False)]
    assert await compare(connection, declared) == missing
    assert await apply(connection, declared) == missing
    assert await compare(connection, declared) == []


async def test_applying_gives_an_older_queue_its_sources(
    connection: Connection, declared: list[Config]
) -> None:
    tasks = the(declared, "_TASKS")
    rest = [one for one in declared if one is not tasks]
    await create_missing(connection, [*rest, {**tasks, "sources": []}])
    assert await sourced(connection, declared, "_SCHED") == ["resume"]
    await apply(connection, declared)
    assert await compare(connection, declared) == []
    assert await sourced(connection, declared, "_SCHED") == ["resume", "source"]


async def test_many_processes_may_create_at_once(connect: Async, declared: list[Config]) -> None:
    connections = [await connect() for _ in range(5)]
    await asyncio.gather(*(create_missing(each, declared) for each in connections))
    assert await compare(connections[0], declared) == []


async def test_limits_and_prefix_are_the_operators(connection: Connection, prefix: str) -> None:
    limits = Limits(max_tasks=2, result_days=1.5)
    declared = streams(prefix, limits)
    await create_missing(connection, declared)
    assert (await config_of(connection, f"{prefix.upper()}_RESULTS"))["max_age"] == 129_600 * 10**9
    for _ in range(2):
        await store(connection, f"{prefix}.task.a", b"{}")
    with pytest.raises(QueueFull):
        await store(connection, f"{prefix}.task.a", b"{}")


async def test_creating_never_changes_what_is_there(
    connection: Connection, declared: list[Config]
) -> None:
    other = {**the(declared, "_EVENTS"), "max_age": 5 * 10**9}
    await create_missing(connection, [other])
    await provision(connection, declared, create=True)
    assert (await config_of(connection, other["name"]))["max_age"] == 5 * 10**9


async def test_a_race_with_another_process_that_creates_otherwise_is_no_error(
    connection: Connection, declared: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**the(declared, "_DLQ"), "max_age": 5 * 10**9}
    await create_missing(connection, [other])

    async def nothing(_: Connection) -> set[str]:
        return set()

    monkeypatch.setattr("pepperpy_bus.streams.provision.stream_names", nothing)
    await create_missing(connection, [the(declared, "_DLQ")])
    assert (await config_of(connection, other["name"]))["max_age"] == 5 * 10**9
    with pytest.raises(RefusedByServer):
        await create_missing(connection, [{"name": "BAD", "storage": "paper"}])


async def test_a_check_refuses_to_start_when_something_is_missing(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    await create_missing(connection, declared[1:])
    with pytest.raises(TopologyDrift, match=f"lacks {prefix.upper()}_ANSWERS") as missing:
        await provision(connection, declared, create=False)
    assert "pepperpy bus apply" in missing.value.hint
    await create_missing(connection, declared)
    await provision(connection, declared, create=False)


async def test_drift_is_shown_setting_by_setting(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    events = the(declared, "_EVENTS")
    await create_missing(connection, [{**events, "max_age": 5 * 10**9, "compression": "none"}])
    await create_missing(connection, declared[:-1])
    drifts = await compare(connection, declared)
    assert drifts == [
        Drift(events["name"], "max_age", events["max_age"], 5 * 10**9, fixed=False),
        Drift(events["name"], "compression", "s2", "none", fixed=False),
        Drift(declared[-1]["name"], "stream", "present", "missing", fixed=False),
    ]


async def test_apply_changes_what_can_be_changed_and_keeps_the_messages(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    dlq = the(declared, "_DLQ")
    await create_missing(connection, [{**dlq, "max_age": 5 * 10**9, "description": "mine"}])
    await store(connection, f"{prefix}.dlq.a", b"{}")
    changed = await apply(connection, declared)
    assert {drift.setting for drift in changed} == {"max_age", "stream"}
    assert await compare(connection, declared) == []
    assert (await config_of(connection, dlq["name"]))["description"] == "mine"
    info = await api(connection, f"STREAM.INFO.{dlq['name']}")
    assert info["state"]["messages"] == 1


@pytest.mark.parametrize(
    ("suffix", "setting", "actual"),
    [("_DLQ", "storage", "memory"), ("_TASKS", "retention", "limits")],
)
async def test_apply_names_what_cannot_be_changed_and_changes_nothing(
    connection: Connection, declared: list[Config], suffix: str, setting: str, actual: str
) -> None:
    one, other = the(declared, suffix), the(declared, "_RESULTS")
    await create_missing(connection, [{**one, setting: actual}, {**other, "max_age": 5 * 10**9}])
    with pytest.raises(TopologyDrift, match=f"{one['name']}: {setting} is '{actual}'") as refused:
        await apply(connection, declared)
    assert refused.value.context == {"settings": [f"{one['name']}.{setting}"]}
    assert (await config_of(connection, other["name"]))["max_age"] == 5 * 10**9
    assert the(declared, "_STEPS")["name"] not in await stream_names(connection)


async def test_names_are_read_page_by_page(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"S{n}" for n in range(600)]

    async def paged(_: Connection, action: str, request: dict[str, int]) -> dict[str, Any]:
        start = request["offset"]
        return {"streams": names[start : start + 256], "total": len(names)}

    monkeypatch.setattr("pepperpy_bus.streams.provision.api", paged)
    assert await stream_names(connection) == set(names)


async def test_a_consumer_is_created_once_and_then_left_alone(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    await create_missing(connection, declared)
    stream, config = f"{prefix.upper()}_TASKS", task_consumer(prefix, "triage")
    await ensure_consumer(connection, stream, {**config, "ack_wait": 60 * 10**9})
    await asyncio.gather(*(ensure_consumer(connection, stream, config) for _ in range(5)))
    info = await api(connection, f"CONSUMER.INFO.{stream}.w_triage")
    assert info["config"]["ack_wait"] == 60 * 10**9
    assert info["config"]["filter_subjects"] == config["filter_subjects"]


async def test_a_consumer_that_the_server_refuses_is_an_error(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    await create_missing(connection, declared)
    stream, config = f"{prefix.upper()}_TASKS", task_consumer(prefix, "triage")
    await ensure_consumer(connection, stream, config)
    twin = {**config, "name": "twin", "durable_name": "twin"}
    with pytest.raises(RefusedByServer) as overlapping:
        await ensure_consumer(connection, stream, twin)
    assert overlapping.value.err_code == 10100
    with pytest.raises(NotFound):
        await ensure_consumer(connection, "NO_SUCH", config)


async def test_the_high_lane_has_a_consumer_of_its_own(
    connection: Connection, declared: list[Config], prefix: str
) -> None:
    await create_missing(connection, declared)
    stream = f"{prefix.upper()}_TASKS"
    await ensure_consumer(connection, stream, task_consumer(prefix, "triage"))
    await ensure_consumer(connection, stream, task_consumer(prefix, "triage", high=True))
    await store(connection, f"{prefix}.task.triage-hi.x", b"{}")
    await store(connection, f"{prefix}.task.triage", b"{}")
    for name in ("w_triage", "w_triage-hi"):
        info = await api(connection, f"CONSUMER.INFO.{stream}.{name}")
        assert info["num_pending"] == 1
