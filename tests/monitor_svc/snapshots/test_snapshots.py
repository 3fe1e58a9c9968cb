"""Snapshots are taken, kept, compared and removed; damaged ones are named."""

import asyncio
from datetime import timedelta

import msgspec
import nats
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.jetstream import purge, store
from pepperpy_monitor_svc.snapshots.snapshots import PERIODIC
from pepperpy_monitor_svc.snapshots.store import DAMAGED, SnapshotStore
from pepperpy_schemas.errors import BadPayload, NotFound
from pepperpy_schemas.snapshots import Snapshot
from pepperpy_schemas.subjects import bucket_name
from tests.monitor_svc.snapshots.conftest import Clock, Watching, snapshots_of


async def test_a_snapshot_has_what_the_monitor_knows(client: Client, watching: Watching) -> None:
    monitor = await watching()
    task_id = await client.submit("triage", {"text": "late"})
    async with asyncio.timeout(20):
        while monitor.fleet.task(task_id) is None:
            await asyncio.sleep(0.02)
    row = await monitor.snapshots.take("before the release", by="ops/ana")
    assert (row.reason, row.by, row.tasks) == ("before the release", "ops/ana", 1)
    found = await monitor.snapshots.get(row.id)
    assert (found.id, found.at, found.prefix) == (row.id, row.at, client.prefix)
    assert "triage" in [one.topic for one in found.topics]
    assert found.overview.states == {"submitted": 1}
    assert found.metrics
    assert found.settings["bus.prefix"] == client.prefix
    assert len(found.config) == 64
    assert {"pepperpy", "python", "broker"} <= found.versions.keys()
    assert await monitor.snapshots.list() == [row]
    exported = await monitor.snapshots.export(row.id)
    assert msgspec.json.decode(exported, type=Snapshot) == found


async def test_a_snapshot_has_no_secret(client: Client, watching: Watching) -> None:
    from pepperpy_bus.config.values import Secret

    monitor = await watching(token=Secret("the-dashboards-token"))
    row = await monitor.snapshots.take()
    exported = await monitor.snapshots.export(row.id)
    assert b"the-dashboards-token" not in exported


async def test_any_nats_client_reads_a_snapshot(
    broker: Broker, client: Client, watching: Watching
) -> None:
    monitor = await watching()
    row = await monitor.snapshots.take("asked")
    foreign = await nats.connect(broker.url)
    try:
        bucket = await foreign.jetstream().object_store(bucket_name(client.prefix, "snapshots"))
        got = await bucket.get(row.id)
        assert got.data == await monitor.snapshots.export(row.id)
    finally:
        await foreign.close()


async def test_old_ones_and_those_above_the_count_are_removed(watching: Watching) -> None:
    monitor = await watching(snapshot_keep_days=10, snapshot_keep=3)
    clock = Clock()
    snapshots = snapshots_of(monitor, clock)
    taken = []
    for _ in range(5):
        clock.now += timedelta(days=4)
        taken.append(await snapshots.take())
    kept = [row.id for row in taken]
    assert await snapshots.prune() == [kept[1], kept[0]]
    assert [row.id for row in await snapshots.list()] == kept[:1:-1]
    clock.now += timedelta(days=100)
    assert await snapshots.prune() == [kept[3], kept[2]]
    assert [row.id for row in await snapshots.list()] == [kept[4]], "the newest one stays"
    with pytest.raises(NotFound, match=kept[0]):
        await snapshots.get(kept[0])


async def test_the_leader_takes_one_from_time_to_time(watching: Watching) -> None:
    monitor = await watching(snapshot_every=0.3)
    async with asyncio.timeout(20):
        while len(await monitor.snapshots.list()) < 3:
            await asyncio.sleep(0.05)
    rows = await monitor.snapshots.list()
    assert {(row.reason, row.by) for row in rows} == {(PERIODIC, "monitor")}
    assert rows[0].at - rows[1].at >= timedelta(seconds=0.3)


async def test_a_new_leader_waits_for_the_rest_of_the_time(watching: Watching) -> None:
    monitor = await watching()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):  # how all starts is nothing to compare with
            await (await watching(snapshot_every=3600.0)).snapshots.run()
    assert await monitor.snapshots.list() == []
    await monitor.snapshots.take(PERIODIC)
    later = await watching(snapshot_every=3600.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await later.snapshots.run()
    assert len(await later.snapshots.list()) == 1


async def test_a_damaged_one_is_named_and_can_be_removed(
    client: Client, watching: Watching
) -> None:
    monitor = await watching()
    good, lost, other = [await monitor.snapshots.take() for _ in range(3)]
    bucket = bucket_name(client.prefix, "snapshots")
    stream = f"OBJ_{bucket}"
    assert await purge(client.connection, stream, f"$O.{bucket}.C.{lost.id}") > 0
    chunk = f"$O.{bucket}.C.{other.id}"
    await purge(client.connection, stream, chunk)
    await store(client.connection, chunk, b"x" * other.bytes, msg_id="forged")
    kept = SnapshotStore(client)
    assert await kept.damage(good.id) == ""
    assert lost.id in await kept.damage(lost.id)
    assert "another SHA-256" in await kept.damage(other.id)
    with pytest.raises(BadPayload, match="damaged") as caught:
        await kept.get(other.id)
    assert other.id in (caught.value.hint or "")
    for one in (lost, other):
        await kept.remove(one.id)
    assert [row.id for row in await kept.list()] == [good.id]


async def test_one_of_another_version_is_not_called_damaged(client: Client) -> None:
    """Nobody shall remove it for that."""
    blobs = Blobs(client.connection, client.prefix, bucket="snapshots")
    await blobs.put(b'{"id":"other","by":1}', name="other", metadata={})
    kept = SnapshotStore(client)
    with pytest.raises(BadPayload, match="is whole, but not as this version reads it") as caught:
        await kept.get("other")
    assert "export other" in (caught.value.hint or "")
    assert await kept.read("other") == b'{"id":"other","by":1}'


async def test_one_whose_description_is_damaged_is_listed_as_such(
    client: Client, watching: Watching
) -> None:
    monitor = await watching()
    good = await monitor.snapshots.take()
    bucket = bucket_name(client.prefix, "snapshots")
    await store(client.connection, f"$O.{bucket}.M.b2Rk", b"nonsense", msg_id="forged")
    rows = await monitor.snapshots.list()
    assert [(row.id, row.reason) for row in rows] == [(good.id, "asked"), ("odd", DAMAGED)]
    assert await monitor.snapshots.prune() == []
    with pytest.raises(BadPayload, match="snapshot odd is damaged"):
        await monitor.snapshots.get("odd")
    await SnapshotStore(client).remove("odd")
    assert await monitor.snapshots.list() == [good]


async def test_an_id_that_nobody_has_is_said(watching: Watching) -> None:
    monitor = await watching()
    with pytest.raises(NotFound, match="no snapshot 2026"):
        await monitor.snapshots.get("2026")


async def test_two_are_compared_the_earlier_one_first(client: Client, watching: Watching) -> None:
    monitor = await watching()
    before = await monitor.snapshots.take("before")
    task_id = await client.submit("triage", {})
    async with asyncio.timeout(20):
        while monitor.fleet.task(task_id) is None:
            await asyncio.sleep(0.02)
    after = await monitor.snapshots.take("after")
    found = await monitor.snapshots.compare(after.id, before.id)
    assert (found.a.id, found.b.id) == (before.id, after.id)
    assert found.seconds > 0
    (states,) = [one for one in found.changes if one.name == "tasks submitted"]
    assert (states.section, states.before, states.after) == ("overview", None, 1)
    assert not [one for one in found.changes if one.section in ("settings", "versions")]
