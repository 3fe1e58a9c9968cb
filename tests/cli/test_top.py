import asyncio
import json
import os
import pty
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pepperpy.commands._screen import cut
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.opening import connect
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.messages import AgentInstance, Load
from tests.cli.command_line import Cli
from tests.cli.test_result_watch import read_terminal


def topic(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in document["topics"] if one["topic"] == name)


def beat(cli: Cli) -> None:
    """Writes the heartbeat of an instance that works on echo."""
    now = datetime.now(UTC)
    load = Load(in_flight=3, slots=8, cpu_percent=12.5, rss_bytes=30_000_000, done=70, failed=2)
    instance = AgentInstance(
        "support", "i1", "1.2.0", "running", ["echo"], [], load, "host", 7, now, now
    )

    async def write() -> None:
        async with connect(cli.url, bus__prefix=cli.prefix) as bus:
            await bus.registry.beat(instance)

    asyncio.run(write())


def test_once_as_json_counts_waiting_running_failed_and_unheard_topics(cli: Cli) -> None:
    cli.worker("echo")
    cli.run("publish", "echo", "fail:=true", "--wait")
    cli.run("publish", "echo", "hang:=true")
    cli.run("publish", "nobody", "n:=1", "--count", "3")
    beat(cli)
    document = cli.json("top", "--once")
    echo, nobody = topic(document, "echo"), topic(document, "nobody")
    assert (echo["waiting"], echo["in_flight"], echo["failed"], echo["workers"]) == (0, 1, 1, 1)
    assert (nobody["waiting"], nobody["in_flight"], nobody["workers"]) == (3, 0, 0)
    assert echo["done_per_s"] == 0
    assert echo["pulls"] >= 1
    assert 0 < echo["oldest_s"] < 60
    assert nobody["oldest_s"] > 0
    assert document["instances"][0]["agent"] == "support"
    assert {one["event"] for one in document["events"]} == {"task.started", "task.failed"}
    assert document["denied"] == []


def test_once_is_two_aligned_tables_and_the_last_events(cli: Cli) -> None:
    cli.run("publish", "nobody", "n:=1")
    beat(cli)
    shown = cli.run("top", "--once", "--interval", "100ms")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[2].split() == [
        *["TOPIC", "WAITING", "IN", "FLIGHT", "FAILED", "WORKERS", "PULLS", "DONE/S", "OLDEST"]
    ]
    assert any(line.split()[:2] == ["nobody", "1"] for line in lines)
    assert any(line.startswith("support") and "3/8" in line for line in lines)


def test_nothing_yet_is_said_in_words(cli: Cli) -> None:
    shown = cli.run("top", "--once", "--interval", "100ms").stdout
    assert "no topics yet" in shown
    assert "no instances are up" in shown


def test_tasks_with_a_key_are_counted_too(cli: Cli) -> None:
    cli.run("publish", "nobody", "n:=1", "--key", "c42")
    document = cli.json("top", "--once", "--interval", "100ms")
    assert topic(document, "nobody")["waiting"] == 1


def test_in_a_pipe_it_is_one_object_per_look_until_ctrl_c(cli: Cli) -> None:
    running = cli.start("top", "--interval", "100ms")
    assert running.stdout is not None
    looks = [json.loads(running.stdout.readline()) for _ in range(3)]
    assert looks[0]["at"] < looks[1]["at"] < looks[2]["at"]
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 130


def test_a_rate_is_what_was_settled_between_two_looks(cli: Cli) -> None:
    cli.worker("echo")
    running = cli.start("top", "--interval", "100ms")
    assert running.stdout is not None
    running.stdout.readline()
    cli.run("publish", "echo", "n:=1", "--count", "100", "--wait")
    rates: list[float] = []
    while not any(rates):
        document = json.loads(running.stdout.readline())
        rates += [one["done_per_s"] or 0 for one in document["topics"]]
    assert 0 < max(rates) <= 100 / 0.1


def test_a_terminal_is_redrawn_and_left_as_it_was(cli: Cli) -> None:
    cli.run("publish", "nobody", "n:=1")
    leader, follower = pty.openpty()
    running = cli.start("top", "--interval", "100ms", stdout=follower)
    os.close(follower)
    shown = read_terminal(leader, "nobody")
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    shown += read_terminal(leader, "\x1b[?1049l")
    os.close(leader)
    assert shown.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
    assert shown.endswith("\x1b[?25h\x1b[?1049l")


def test_it_outlives_a_restart_of_the_broker(
    own_broker: Broker, cli_on: Callable[[str], Cli]
) -> None:
    cli = cli_on(own_broker.url)
    running = cli.start("top", "--interval", "100ms")
    assert running.stdout is not None
    running.stdout.readline()
    own_broker.kill()
    assert running.stderr is not None
    assert "is away: waiting" in running.stderr.readline()
    own_broker.start_sync()
    assert "is back" in running.stderr.readline()
    cli.run("publish", "later", "n:=1")
    while not any(
        one["topic"] == "later" for one in json.loads(running.stdout.readline())["topics"]
    ):
        pass


def test_what_a_role_may_not_read_is_named_and_the_rest_is_shown(
    broker_factory: Callable[..., Broker], cli_on: Callable[[str], Cli]
) -> None:
    broker = broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)
    operator = cli_on(broker.url_for("operator"))
    operator.prefix = "pp"
    operator.run("publish", "echo", "n:=1")
    anonymous = cli_on(broker.url)
    anonymous.prefix = "pp"
    document = anonymous.json("top", "--once", "--interval", "100ms")
    assert topic(document, "echo")["waiting"] == 1
    assert topic(document, "echo")["oldest_s"] > 0
    assert document["denied"] == []
    provider = cli_on(broker.url_for("provider"))
    provider.prefix = "pp"
    document = provider.json("top", "--once", "--interval", "100ms")
    assert document["topics"] == []
    assert "queues" in document["denied"]


def test_a_long_line_is_cut_at_the_edge_and_keeps_its_colours() -> None:
    assert cut("abcdef", 4) == "abcd"
    assert cut("\x1b[32mabc\x1b[0mdef", 4) == "\x1b[32mabc\x1b[0md"
