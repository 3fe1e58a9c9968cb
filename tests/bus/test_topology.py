from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams import topology
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import compare, create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, listener_consumer, streams, task_consumer
from pepperpy_schemas.catalog import CATALOG
from pepperpy_schemas.errors import QueueFull
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
        ("EVENTS", listener_consumer("support", "page", "normal", "pp.event.task.failed.>")),
        ("EVENTS", listener_consumer("support", "page", "high", "pp.event-hi.task.failed.>")),
    ]
    for suffix, config in wanted:
        stream = stream_name("pp", suffix)
        await ensure_consumer(there, stream, config)
        actual = (await api(there, f"CONSUMER.INFO.{stream}.{config['name']}"))["config"]
        # One filter comes back in the older field.
        actual.setdefault("filter_subjects", [actual.get("filter_subject")])
        assert {name: actual.get(name) for name in config} == config


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
