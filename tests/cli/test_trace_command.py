import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import Cli
from tests.cli.test_time_travel import order, shop  # noqa: F401 - a fixture
from tests.monitor_svc.traces.receiver import Receiver


@pytest.fixture
def ordered(shop: Cli) -> str:  # noqa: F811 - the fixture
    """An order that came to its end: a step, a child."""
    return order(shop)


def test_a_tree_shows_what_a_task_set_off(cli: Cli, ordered: str) -> None:
    done = cli.run("trace", ordered)
    assert done.returncode == 0, done.stderr
    head, _, *lines = done.stdout.splitlines()
    assert head.startswith("trace ")
    assert " spans in " in head
    tree = [line[47:].rstrip() for line in lines]
    assert tree[0].startswith(f"send order {ordered}  by cli/")
    assert tree[1].startswith("  process order  attempt 1  on shop/")
    assert tree[2] == "    reserve"
    assert tree[3].startswith("    send pack ")
    assert tree[4].startswith("      process pack  attempt 1  on shop/")
    assert any(line.startswith("  wait children") for line in tree)
    assert "\x1b" not in done.stdout
    assert all(line[:10].strip().startswith("+") for line in lines)


def test_json_has_every_span(cli: Cli, ordered: str) -> None:
    trace = cli.json("trace", ordered)
    assert (trace["task_id"], trace["root"], trace["ended"]) == (ordered, ordered, True)
    assert {one["trace_id"] for one in trace["spans"]} == {trace["trace_id"]}
    assert trace == cli.json("trace", ordered)


def test_a_failure_is_red_for_people_and_cannot_move_their_cursor(
    cli: Cli,
    shop: Cli,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    (tmp_path / "broken").touch()
    task_id = order(shop)
    done = cli.run("trace", task_id)
    assert "process order  handler_error" in done.stdout
    assert "\x1b[2J" not in done.stdout


def test_a_receiver_gets_it(cli: Cli, ordered: str) -> None:
    with Receiver() as receiver:
        done = cli.run("trace", ordered, "--otlp", receiver.url)
    assert done.returncode == 0, done.stderr
    count = len(cli.json("trace", ordered)["spans"])
    assert f"sent {count} of {count} spans to {receiver.url}" in done.stderr
    assert len(receiver.spans) == count


def test_a_receiver_that_is_not_there_is_one_error(cli: Cli, ordered: str) -> None:
    done = cli.run("trace", ordered, "--otlp", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: http://127.0.0.1:9 did not take the spans",
        "  hint: is it there, and does it speak OTLP over HTTP?",
    ]


def test_it_is_followed_to_its_end(cli: Cli, shop: Cli) -> None:  # noqa: F811 - the fixture
    published = cli.run("publish", "order", "sku=tea", "--no-check", "--json")
    task_id = json.loads(published.stdout)["id"]
    done = cli.run("trace", task_id, "--follow", "--json")
    assert done.returncode == 0, done.stderr
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["ended"] for one in looks][-1] is True
    assert not any(one["ended"] for one in looks[:-1])


def test_a_task_that_never_was_is_said(cli: Cli) -> None:
    done: subprocess.CompletedProcess[str] = cli.run("trace", "nobody")
    assert done.returncode == 1
    assert "no task nobody" in done.stderr
