import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams import topology
from pepperpy_bus.streams.consumers import (
    PIN_GROUP,
    listener_consumer,
    resume_consumer,
    shard_consumer,
    task_consumer,
)
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import compare, create_missing, ensure_consumer, set_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.streams.reading import message_at
from pepperpy_bus.streams.topology import Limits, shard_of, streams
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.sharding import SHARDED_TASK
from pepperpy_schemas.catalog.tasks import KEYED_TASK
from pepperpy_schemas.errors import QueueFull, Unavailable
from pepperpy_schemas.subjects import stream_name


@pytest.fixture(scope="module")
def broker_with_streams(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Broker(tmp_path_factory.mktemp("topology")) as broker:
        yield broker


@pytest.fixture
async def there(broker_with_streams: Broker) -> AsyncIterator[Connection]:
    options = ConnectionOptions(servers=(broker_with_streams.url,))
    async with open_connection(options) as connection:
        await create_missing(connection, streams("pp", Limits()))
        yield connection


async def test_the_server_takes_every_declared_setting_as_it_is(there: Connection) -> None:
    assert await compare(there, streams("pp", Limits())) == []


async def test_the_server_takes_every_consumer_as_it_is(there: Connection) -> None:
    wanted = [
        ("TASKS", task_consumer("pp", "echo")),
        ("TASKS", task_consumer("pp", "echo", high=True)),
        ("RESUME", resume_consumer("pp", "echo")),
        ("EVENTS", listener_consumer("support", "page", "normal", "pp.event.task.failed.>")),
        ("EVENTS", listener_consumer("support", "page", "high", "pp.event-hi.task.failed.>")),
        ("KEYED", shard_consumer("pp", "echo", 7, patience=15.0)),
    ]
    for suffix, config in wanted:
        stream = stream_name("pp", suffix)
        await ensure_consumer(there, stream, config)
        actual = (await api(there, f"CONSUMER.INFO.{stream}.{config['name']}"))["config"]
        # One filter comes back in the older field.
        actual.setdefault("filter_subjects", [actual.get("filter_subject")])
        assert {name: actual.get(name) for name in config} == config


async def test_a_key_has_the_shard_that_the_server_gives_it(there: Connection) -> None:
    for key in ("otter", "a", "Z-9_", "x" * 64):
        subject = KEYED_TASK.of("pp", topic="hashed", key=key, id="t1")
        stored = await message_at(there, "PP_KEYED", (await store(there, subject, b"1")).seq)
        assert stored is not None
        kept = {"topic": "hashed", "shard": str(shard_of(key)), "key": key, "id": "t1"}
        assert SHARDED_TASK.parse("pp", stored.subject) == kept


async def test_a_keyed_task_without_an_id_is_refused(there: Connection) -> None:
    subject = KEYED_TASK.of("pp", topic="echo", key="otter", id="t1").rpartition(".")[0]
    with pytest.raises(Unavailable, match="nobody listens"):
        await store(there, subject, b"1", timeout=1.0)


async def test_an_owner_that_is_unpinned_gets_no_more(there: Connection) -> None:
    config = shard_consumer("pp", "pinned", shard_of("otter"), patience=15.0)
    await set_consumer(there, "PP_KEYED", config)
    got: list[tuple[str, Delivery]] = []

    def pulled_by(name: str) -> Puller:
        def take(delivery: Delivery) -> None:
            got.append((name, delivery))

        return Puller(there, "PP_KEYED", config["name"], slots=2, on_delivery=take, group=PIN_GROUP)

    async def send(n: int) -> Delivery:
        subject = KEYED_TASK.of("pp", topic="pinned", key="otter", id=f"t{n}")
        await store(there, subject, b"1")
        async with asyncio.timeout(5):
            while len(got) <= n:
                await asyncio.sleep(0.01)
        await got[n][1].ack()
        return got[n][1]

    async with pulled_by("first") as first:
        await send(0)
        first.release()
        async with pulled_by("second"):
            await send(1)
            first.release()
            await api(there, f"CONSUMER.UNPIN.PP_KEYED.{config['name']}", {"group": PIN_GROUP})
            first.pause()
            await send(2)
    assert [name for name, _ in got] == ["first", "first", "second"]


def test_consumers_are_named_after_what_they_serve() -> None:
    assert task_consumer("pp", "echo")["name"] == "w_echo"
    assert task_consumer("pp", "echo", high=True)["filter_subjects"] == [
        "pp.task.echo-hi",
        "pp.task.echo-hi.*",
    ]
    assert listener_consumer("a", "b", "high", "x")["durable_name"] == "l_a_b-hi"


def test_every_stream_that_a_subject_names_is_declared() -> None:
    declared = {one["name"]: one["subjects"] for one in streams("pp", Limits())}
    later = {"SCHED", "KEYED", "ANSWERS", "COUNT"}
    known = {"MaxDeliveries": {"stream": "PP_TASKS"}}
    for subject in CATALOG:
        if subject.stream and subject.stream not in later:
            kept = declared[stream_name("pp", subject.stream)]
            mine = subject.pattern("pp", **known.get(subject.name, {}))
            assert any(mine.startswith(one.rstrip("*>")) for one in kept), mine


def test_a_prefix_moves_everything() -> None:
    for config in streams("shop", Limits()):
        assert config["name"].startswith(("SHOP_", "KV_shop_", "OBJ_shop_"))
        for subject in config["subjects"]:
            assert "pp" not in subject.split(".")
            assert "shop" in subject.lower()


def test_the_operators_choices_are_in_every_stream() -> None:
    limits = Limits(replicas=3, max_tasks=5, max_task_bytes=6, result_days=2, event_days=1)
    declared = {one["name"]: one for one in streams("pp", limits)}
    assert {one["num_replicas"] for one in declared.values()} == {3}
    assert (declared["PP_TASKS"]["max_msgs"], declared["PP_TASKS"]["max_bytes"]) == (5, 6)
    assert declared["PP_RESULTS"]["max_age"] == 2 * topology.DAY
    assert declared["PP_EVENTS"]["max_age"] == topology.DAY
    assert "persist_mode" not in declared["PP_EVENTS"]
    single = {one["name"]: one for one in streams("pp", Limits())}
    assert single["PP_EVENTS"]["persist_mode"] == "async"


async def test_a_full_queue_refuses_the_new_and_keeps_the_old(
    broker_factory: Callable[..., Broker],
) -> None:
    options = ConnectionOptions(servers=(broker_factory().url,))
    async with open_connection(options) as connection:
        await create_missing(connection, streams("pp", Limits(max_tasks=2)))
        for n in range(2):
            await store(connection, f"pp.task.echo.{n}", b"{}", msg_id=str(n))
        with pytest.raises(QueueFull):
            await store(connection, "pp.task.echo.2", b"{}", msg_id="2")
        info = await api(connection, "STREAM.INFO.PP_TASKS")
        assert (info["state"]["first_seq"], info["state"]["messages"]) == (1, 2)


def test_no_stream_is_left_with_the_servers_limit_of_a_thousand_consumers() -> None:
    assert {one["max_consumers"] for one in streams("pp", Limits())} == {topology.MAX_CONSUMERS}
