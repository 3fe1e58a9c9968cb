import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.consumers import shard_consumer
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.provision import create_missing, set_consumer
from pepperpy_bus.streams.topology import Limits, shard_of, streams
from pepperpy_schemas.catalog.sharding import KEY_HOLD, SHARD_TABLE
from pepperpy_schemas.catalog.tasks import KEYED_TASK
from pepperpy_schemas.sharding import KeyHold, Shard, ShardMember, ShardTable
from tests.cli.command_line import Cli

OTTER = shard_of("otter")


@pytest.fixture
def deployment(broker: Broker, prefix: str) -> None:
    """Topic `order`: every shard is `shop/a`'s but the last, whose owner has failed."""
    now = datetime.now(UTC)
    members = {"shop/a": ShardMember(now, 60.0, 100), "shop/b": ShardMember(now, 0.0, 100)}
    moved = now - timedelta(minutes=3)
    shards = [Shard("shop/a", moved, n + 1, 0.25) for n in range(31)]
    table = ShardTable(members, [*shards, Shard("shop/b", moved, 1)])

    async def make(connection: Connection) -> None:
        await create_missing(connection, streams(prefix, Limits()))
        cells = Cells(connection, prefix)
        key = cells.key(SHARD_TABLE, topic="order")
        await cells.bucket.put(key, SHARD_TABLE.encode(table))
        key = cells.key(KEY_HOLD, topic="order", shard=str(OTTER), key="otter")
        await cells.bucket.put(key, KEY_HOLD.encode(KeyHold("t1", "suspended", now)))
        consumer = shard_consumer(prefix, "order", OTTER, patience=15.0)
        await set_consumer(connection, f"{prefix.upper()}_KEYED", consumer)
        for n in range(3):
            subject = KEYED_TASK.of(prefix, topic="order", key="otter", id=f"t{n}")
            await store(connection, subject, b"1", msg_id=f"t{n}")

    async def connected() -> None:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            await make(connection)

    asyncio.run(connected())


def by_number(found: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {one["shard"]: one for one in found}


def test_shards_shows_owner_load_lag_and_last_move(cli: Cli, deployment: None) -> None:
    lines = [line.split() for line in cli.run("shards").stdout.splitlines()]
    assert lines[0] == "TOPIC SHARD OWNER LOAD LAG HELD MOVED MOVES".split()  # noqa: SIM905
    shown = lines[1 + OTTER]
    assert shown[:6] == ["order", str(OTTER), "shop/a", "25%", "3", "1"]
    assert shown[6].startswith("3m")
    assert shown[7:] == ["ago", str(OTTER + 1)]
    assert lines[-1][2] == "-"


def test_shards_gives_scripts_a_list(cli: Cli, deployment: None) -> None:
    shards = by_number(cli.json("shards", "order"))
    assert len(shards) == 32
    one = shards[OTTER]
    assert (one["owner"], one["load"], one["lag"], one["held"]) == ("shop/a", 0.25, 3, 1)
    assert one["moves"] == OTTER + 1
    assert shards[31]["owner"] == ""


def test_a_topic_without_keyed_tasks_has_no_shards_to_show(cli: Cli, deployment: None) -> None:
    done = cli.run("shards", "other")
    assert (done.stdout, done.stderr) == ("", "no keyed tasks of other so far\n")
    assert cli.json("shards", "other") == []


def test_publish_sends_a_keyed_task(cli: Cli, deployment: None) -> None:
    before = by_number(cli.json("shards"))[OTTER]["lag"]
    keyed = ("publish", "order", "--data", "1", "--key", "otter")
    assert cli.run(*keyed).returncode == 0
    assert by_number(cli.json("shards"))[OTTER]["lag"] == before + 1
    refused = cli.run(*keyed, "--priority", "high")
    assert refused.returncode == 2
    assert "--key keeps an order" in refused.stderr
