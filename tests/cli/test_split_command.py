import asyncio
from datetime import UTC, datetime

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.messages import AgentInstance, Load
from pepperpy_schemas.tokens import version_lane
from tests.cli.command_line import Cli


@pytest.fixture
def deployment(broker: Broker, prefix: str) -> None:
    """Topic `triage`: two instances of 1.0.0, one of 1.1.0, in whose lane a task waits."""

    async def make(connection: Connection) -> None:
        await create_missing(connection, streams(prefix, Limits()))
        now = datetime.now(UTC)
        for name, version in (("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.1.0")):
            one = AgentInstance(
                agent="support",
                instance=name,
                version=version,
                state="RUNNING",
                topics=["triage"],
                capabilities=[],
                load=Load(),
                host="h",
                pid=1,
                started=now,
                beat=now,
            )
            await Registry(connection, prefix).beat(one)
        lane = version_lane("triage", "1.1.0")
        tasks = f"{prefix.upper()}_TASKS"
        await ensure_consumer(connection, tasks, task_consumer(prefix, lane))
        await store(connection, TASK.of(prefix, topic=lane, id="t1"), b"1", msg_id="t1")

    async def connected() -> None:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            await make(connection)

    asyncio.run(connected())


def table(cli: Cli, *arguments: str) -> list[list[str]]:
    done = cli.run("agents", "split", "triage", *arguments)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_split_shows_sets_and_ends_the_parts_of_versions(cli: Cli, deployment: None) -> None:
    head = "VERSION WEIGHT SHARE UP WAITING RUNNING".split()  # noqa: SIM905
    assert table(cli) == [
        head,
        ["1.0.0", "0", "any", "2", "0", "0"],
        ["1.1.0", "0", "any", "1", "1", "0"],
    ]
    assert table(cli, "1.0.0=90", "1.1.0=10", "2.0.0=100") == [
        head,
        ["1.0.0", "90", "90.0%", "2", "0", "0"],
        ["1.1.0", "10", "10.0%", "1", "1", "0"],
        ["2.0.0", "100", "0.0%", "0", "0", "0"],
    ]
    assert [row[:3] for row in table(cli, "1.0.0=1")[1:]] == [
        ["1.0.0", "1", "100.0%"],
        ["1.1.0", "0", "0.0%"],
        ["2.0.0", "0", "0.0%"],  # its lanes go with the next change, as they are empty
    ]
    views = cli.json("agents", "split", "triage", "--off")
    assert [(one["version"], one["weight"], one["share"]) for one in views] == [
        ("1.0.0", 0, None),
        ("1.1.0", 0, None),
    ]
    assert views[1]["waiting"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["1.0.0"], 2, "is no weight"),
        (["1.0.0=x"], 2, "is no weight"),
        (["1.0.0=1", "1.0.0=2"], 2, "two weights"),
        (["1.0.0=1", "--off"], 2, "weights or --off"),
        (["1.0=1"], 1, "not a semantic version"),
        (["1.0.0=0"], 1, "above 0"),
    ],
)
def test_what_is_no_split_is_refused(
    cli: Cli, deployment: None, arguments: list[str], code: int, told: str
) -> None:
    done = cli.run("agents", "split", "triage", *arguments)
    assert done.returncode == code
    assert told in done.stderr


def test_a_topic_of_nobody_is_told(cli: Cli, deployment: None) -> None:
    done = cli.run("agents", "split", "nobody")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no version of nobody is up" in done.stderr
