import asyncio
import json
from collections.abc import Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.trust.principals import ROLES
from pepperpy_bus.trust.roles import permissions
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.subjects import stream_name
from tests.cli.command_line import Cli
from tests.cli.inline import Inline

DAY = 86_400 * 10**9


def change(broker: Broker, prefix: str, suffix: str, **settings: object) -> None:
    """Makes every stream, then one of them otherwise than declared."""

    async def work() -> None:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            declared = streams(prefix, Limits())
            name = stream_name(prefix, suffix)
            other = [{**c, **settings} if c["name"] == name else c for c in declared]
            await create_missing(connection, other)

    asyncio.run(work())


def max_age(broker: Broker, stream: str) -> int:
    async def read() -> int:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            return int((await api(connection, f"STREAM.INFO.{stream}"))["config"]["max_age"])

    return asyncio.run(read())


def test_check_names_what_is_missing_and_changes_nothing(inline: Inline, prefix: str) -> None:
    for _ in range(2):
        assert inline.run("bus", "check", "--json") == 1
        rows = json.loads(inline.out)
        lacking = [row["stream"] for row in rows if row["setting"] == "stream"]
        assert stream_name(prefix, "TASKS") in lacking
        assert {row["actual"] for row in rows} == {"missing"}
        assert "mend them with: pepperpy bus apply" in inline.err


def test_apply_makes_what_is_missing_and_then_has_nothing_to_do(inline: Inline) -> None:
    assert inline.run("bus", "apply") == 0
    assert "missing" in inline.out
    assert inline.err.startswith("applied ")
    assert inline.run("bus", "check") == 0
    assert inline.out == ""
    assert "streams are as declared" in inline.err
    assert inline.run("bus", "apply") == 0
    assert (inline.out, inline.err) == ("", "ok: nothing to do\n")


def test_apply_makes_the_consumers_of_a_topic_that_only_foreign_workers_serve(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    async def consumers() -> set[str]:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            answer = await api(connection, f"CONSUMER.NAMES.{stream_name(prefix, 'TASKS')}")
            return set(answer["consumers"])

    for _ in range(2):
        assert inline.run("bus", "apply", "--topic", "echo") == 0
        assert "workers in any language can serve echo" in inline.err
        assert asyncio.run(consumers()) == {"w_echo", "w_echo-hi"}
    assert inline.run("bus", "apply", "--topic", "a.b") == 2
    assert "a.b" in inline.err


def test_check_shows_a_setting_beside_its_declaration_and_apply_mends_it(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    change(broker, prefix, "RESULTS", max_age=DAY)
    results = stream_name(prefix, "RESULTS")
    assert inline.run("bus", "check") == 1
    head, line = inline.out.splitlines()
    assert head.split() == ["STREAM", "SETTING", "DECLARED", "ACTUAL", "IN", "PLACE"]
    assert line.split() == [results, "max_age", str(7 * DAY), str(DAY), "yes"]
    assert inline.run("bus", "apply", "--yes") == 0
    assert "applied 1 changes" in inline.err
    assert max_age(broker, results) == 7 * DAY


def test_apply_refuses_what_the_server_cannot_change_with_the_way_out(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    change(broker, prefix, "RESULTS", storage="memory", max_age=DAY)
    assert inline.run("bus", "check", "--json") == 1
    in_place = {row["setting"]: row["in_place"] for row in json.loads(inline.out)}
    assert in_place == {"storage": False, "max_age": True}
    assert inline.run("bus", "apply", "--yes") == 1
    assert "cannot change in place" in inline.err
    assert "drain the stream, delete it" in inline.err
    assert max_age(broker, stream_name(prefix, "RESULTS")) == DAY


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_apply_asks_at_a_terminal_before_it_changes_a_setting(
    inline: Inline,
    broker: Broker,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    change(broker, prefix, "RESULTS", max_age=DAY)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert inline.run("bus", "apply") == code
    assert "Change these settings?" in inline.err
    assert max_age(broker, stream_name(prefix, "RESULTS")) == (DAY if code else 7 * DAY)


def test_info_shows_how_full_each_stream_is_and_who_is_behind(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    tasks = stream_name(prefix, "TASKS")

    async def fill() -> None:
        async with open_connection(ConnectionOptions(servers=(broker.url,))) as connection:
            await ensure_consumer(connection, tasks, task_consumer(prefix, "a"))
            for n in range(3):
                await store(connection, TASK.of(prefix, topic="a", id=f"{n}"), b"x" * 1000)

    assert inline.run("bus", "info") == 0
    assert inline.out == ""
    assert "no stream of ours yet" in inline.err
    assert inline.run("bus", "apply") == 0
    asyncio.run(fill())
    assert inline.run("bus", "info") == 0
    lines = [line.split() for line in inline.out.splitlines()]
    assert lines[0] == ["STREAM", "MESSAGES", "BYTES", "CONSUMERS", "LAG"]
    (line,) = [one for one in lines if one[0] == tasks]
    assert line[1] == "3"
    assert line[2].endswith("KiB")
    assert line[3:] == ["1", "3"]
    (row,) = [one for one in inline.json("bus", "info") if one["stream"] == tasks]
    assert row["bytes"] > 3000
    consumers = inline.json("bus", "info", "--consumers")
    assert [one for one in consumers if one["stream"] == tasks] == [
        {
            "stream": tasks,
            "consumer": "w_a",
            "pending": 3,
            "in_flight": 0,
            "redelivered": 0,
            "pulls": 0,
        }
    ]


def test_roles_prints_what_the_broker_enforces(inline: Inline, prefix: str) -> None:
    granted = inline.json("bus", "roles")
    assert list(granted) == list(ROLES)
    assert granted["worker"]["publish"] == list(permissions("worker", prefix=prefix).publish)
    assert inline.run("bus", "roles", "--role", "producer") == 0
    rows = [line.split() for line in inline.out.splitlines()]
    assert ["producer", "publish", TASK.pattern(prefix)] in rows
    assert "worker" not in inline.out
    assert inline.run("bus", "roles", "--role", "worker") == 0
    assert f"{prefix}.count.provider-input.*" in inline.out
    assert inline.run("bus", "roles", "--role", "king") == 2
    assert "'king' is no role: producer" in inline.err


def test_without_a_broker_every_command_that_needs_one_is_unreachable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_CONNECT_TIMEOUT", "100ms")
    nobody = Inline("nats://127.0.0.1:1", "pp", capsys)
    for command in ("check", "apply", "info"):
        assert nobody.run("bus", command) == 3
        assert nobody.out == ""
        assert "pepperpy up" in nobody.err


def test_a_process_of_its_own_applies_without_a_terminal_as_compose_does(
    cli_on: Callable[[str], Cli], broker: Broker, prefix: str
) -> None:
    change(broker, prefix, "RESULTS", max_age=DAY)
    done = cli_on(broker.url).run("bus", "apply", stdin="")
    assert (done.returncode, done.stderr) == (0, "applied 1 changes\n")
