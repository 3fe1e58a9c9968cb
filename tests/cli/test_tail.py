import asyncio
import json
import os
import pty
import signal
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from tests.cli.command_line import Cli
from tests.cli.test_result_watch import read_terminal


def tell(cli: Cli, *numbers: int, **more: Any) -> None:
    """Emits one event for each number, its task's id."""

    async def emit() -> None:
        async with (
            connect(cli.url, bus__prefix=cli.prefix) as bus,
            bus.emitter() as emitter,
        ):
            for n in numbers:
                about = {"scope": "triage", "id": f"t{n}", "attempt": 1, **more}
                await emitter.emit("task", "completed", data={"n": n}, certain=True, **about)

    asyncio.run(emit())


def numbers_of(text: str) -> list[int]:
    return [json.loads(line)["data"]["n"] for line in text.splitlines()]


def test_until_end_gives_everything_there_is_as_ndjson_and_ends(cli: Cli) -> None:
    tell(cli, 1, 2, 3)
    done = cli.run("tail", "--until-end")
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers_of(done.stdout) == [1, 2, 3]
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["event"], first["scope"], first["id"]) == ("task.completed", "triage", "t1")
    assert (first["attempt"], first["priority"], first["seq"]) == (1, "normal", 1)


def test_pattern_and_where_choose_the_events(cli: Cli) -> None:
    tell(cli, 1, 2, 3)
    tell(cli, 4, scope="other")
    assert numbers_of(cli.run("tail", "task.*.triage.>", "--until-end").stdout) == [1, 2, 3]
    assert numbers_of(cli.run("tail", "task.*.*.t2", "--until-end").stdout) == [2]
    chosen = cli.run("tail", "--where", "data.n > 2 and scope == 'triage'", "--until-end")
    assert numbers_of(chosen.stdout) == [3]


def test_since_takes_a_duration_or_a_time(cli: Cli) -> None:
    tell(cli, 1)
    assert numbers_of(cli.run("tail", "--since", "10m", "--until-end").stdout) == [1]
    assert cli.run("tail", "--since", "2100-01-01T00:00:00Z", "--until-end").stdout == ""
    past = cli.run("tail", "--since", "2020-01-01T00:00:00+01:00", "--until-end")
    assert numbers_of(past.stdout) == [1]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["a.b.c.d.e"], "has 5 tokens"),
        (["--where", "n = 1"], "compare with =="),
        (["--since", "yesterday"], "'yesterday' is not understood"),
    ],
)
def test_what_cannot_be_read_is_wrong_usage_with_the_fix(
    cli: Cli, arguments: list[str], fact: str
) -> None:
    done = cli.run("tail", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert fact in done.stderr


def test_a_terminal_gets_coloured_lines_that_nobody_can_forge(cli: Cli) -> None:
    tell(cli, 1)
    leader, follower = pty.openpty()
    tailing = cli.start("tail", "--since", "10m", stdout=follower)
    os.close(follower)
    shown = read_terminal(leader, '{"n":1}')
    tailing.send_signal(signal.SIGINT)
    assert tailing.wait(20) == 130
    os.close(leader)
    assert "\x1b[32mtask.completed" in shown
    assert "triage" in shown
    assert "#1" in shown


def test_tail_goes_on_without_a_gap_when_the_broker_is_killed(
    broker_factory: Callable[..., Broker], cli_on: Callable[[str], Cli]
) -> None:
    broker = broker_factory(durability="strict")
    cli = cli_on(broker.url)
    tailing = cli.start("tail", "--since", "1h")
    assert tailing.stdout is not None
    assert tailing.stderr is not None
    got: list[int] = []
    for start in (0, 20, 40):
        tell(cli, *range(start, start + 20))
        got += [json.loads(tailing.stdout.readline())["data"]["n"] for _ in range(20)]
        broker.kill()
        broker.start_sync()
        assert "is away: waiting" in tailing.stderr.readline()
        assert "is back" in tailing.stderr.readline()
    tell(cli, 60)
    got.append(json.loads(tailing.stdout.readline())["data"]["n"])
    tailing.send_signal(signal.SIGINT)
    assert tailing.communicate(timeout=20) == ("", "")
    assert got == list(range(61))


def test_an_entity_that_may_be_misspelt_is_noted_with_the_known_ones(cli: Cli) -> None:
    tell(cli, 1)
    done = cli.run("tail", "bogus.>", "--until-end")
    assert (done.returncode, done.stdout) == (0, "")
    assert 'note: "bogus" is none of task, agent, llm, memory, ' in done.stderr
    assert cli.run("tail", "task.>", "--until-end").stderr == ""
