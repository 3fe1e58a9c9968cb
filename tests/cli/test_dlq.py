import json
import os
import pty

import pytest

from tests.cli.command_line import Cli
from tests.cli.test_result_watch import read_terminal


@pytest.fixture
def broken(cli: Cli) -> Cli:
    """Two dead letters of bad and one of worse; the worker is up."""
    cli.worker("bad", "worse")
    for topic, count in (("bad", "2"), ("worse", "1")):
        cli.run("publish", topic, "fail:=true", "--count", count, "--wait")
    return cli


def numbers(cli: Cli, *arguments: str) -> list[int]:
    return [row["seq"] for row in cli.json("dlq", "ls", *arguments)]


def test_ls_shows_a_table_for_people_and_one_array_for_programs(broken: Cli) -> None:
    shown = broken.run("dlq", "ls").stdout.splitlines()
    assert shown[0].split()[:3] == ["SEQ", "FILED", "TOPIC"]
    assert len(shown) == 4
    assert "handler_error" in shown[1]
    rows = broken.json("dlq", "ls")
    assert [(row["topic"], row["message"]) for row in rows] == [
        ("bad", "it broke"),
        ("bad", "it broke"),
        ("worse", "it broke"),
    ]


def test_ls_cuts_a_long_message_for_people_and_not_for_programs(cli: Cli) -> None:
    cli.worker("bad")
    cli.run("publish", "bad", 'fail:="' + "long " * 100 + '"', "--wait")
    (shown,) = cli.run("dlq", "ls").stdout.splitlines()[1:]
    assert shown.endswith("long long…")
    assert len(shown) < 200
    (row,) = cli.json("dlq", "ls")
    assert len(row["message"]) >= 500


def test_ls_chooses_by_topic_reason_and_time(broken: Cli) -> None:
    assert numbers(broken, "--topic", "worse") == [3]
    assert numbers(broken, "--reason", "timeout") == []
    assert numbers(broken, "--reason", "handler_error", "--since", "10m") == [1, 2, 3]
    assert numbers(broken, "--since", "2100-01-01T00:00:00Z") == []


def test_an_empty_list_is_no_table_and_an_empty_array(cli: Cli) -> None:
    done = cli.run("dlq", "ls")
    assert (done.returncode, done.stdout) == (0, "")
    assert cli.json("dlq", "ls") == []


def test_show_tells_everything_that_is_needed_to_understand_it(broken: Cli) -> None:
    shown = broken.run("dlq", "show", "1").stdout
    assert "reason      handler_error" in shown
    assert "hint        mend it" in shown
    assert "\n  pp-source: cli/ana\n" in shown
    assert shown.endswith('body\n  {"fail": true}\n')
    letter = broken.json("dlq", "show", "1")
    assert (letter["seq"], letter["error"]["code"]) == (1, "handler_error")


def test_a_number_that_is_not_there_is_an_error_with_the_way_to_the_list(cli: Cli) -> None:
    for action in (["show"], ["replay"], ["drop", "--yes"]):
        done = cli.run("dlq", *action, "7")
        assert done.returncode == 1
        assert "error: no dead letter 7\n  hint: list them with: pepperpy dlq ls" in done.stderr


def test_replay_submits_new_tasks_that_name_the_old_ones(broken: Cli) -> None:
    done = broken.run("dlq", "replay", "--topic", "bad", "--json")
    assert done.returncode == 0
    assert "replayed 2 in " in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["seq"] for one in told] == [1, 2]
    for one in told:
        assert one["new_id"] != one["task_id"]
        assert broken.run("result", one["new_id"], "--wait").returncode == 1
    letters = broken.json("dlq", "ls", "--topic", "bad")
    assert len(letters) == 4
    again = broken.json("dlq", "show", str(letters[-1]["seq"]))
    assert again["headers"]["pp-replay-of"] in {one["task_id"] for one in told}


def test_replay_of_numbers_prints_a_line_each(broken: Cli) -> None:
    lines = broken.run("dlq", "replay", "3", "1").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["3", "worse"], ["1", "bad"]]


def test_drop_removes_what_was_chosen_and_nothing_else(broken: Cli) -> None:
    done = broken.run("dlq", "drop", "--topic", "bad", "--yes")
    assert (done.returncode, done.stdout) == (0, "1\n2\n")
    assert numbers(broken) == [3]
    assert broken.run("dlq", "drop", "--all", "--yes", "--json").stdout == '{"seq":3}\n'
    assert numbers(broken) == []


def test_drop_asks_a_person_and_refuses_a_script(broken: Cli) -> None:
    refused = broken.run("dlq", "drop", "--all")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nobody is here to be asked: add --yes" in refused.stderr
    leader, follower = pty.openpty()
    asking = broken.start("dlq", "drop", "1", stdin=follower, stderr=follower)
    os.close(follower)
    assert "Remove 1 dead letters for good? [y/N]" in read_terminal(leader, "[y/N]")
    os.write(leader, b"n\n")
    assert asking.wait(20) == 1
    os.close(leader)
    assert numbers(broken) == [1, 2, 3]


@pytest.mark.parametrize("arguments", [[], ["1", "--all"], ["--all", "--topic", "bad"]])
def test_replay_wants_exactly_one_way_of_choosing(cli: Cli, arguments: list[str]) -> None:
    done = cli.run("dlq", "replay", *arguments)
    assert done.returncode == 2
    assert "either numbers, or --topic, --reason, --since, or --all" in done.stderr
