"""`pepperpy cancel`, `questions` and `answer`, against a real worker."""

import json
import os
import pty
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Cli
from tests.cli.test_result_watch import read_terminal

AGENT = """
from typing import Any

from pepperpy import Agent, Context

agent = Agent("asks")


@agent.task("deploy")
async def deploy(name: str, ctx: Context) -> Any:
    return await ctx.ask(f"Deploy {name}?", choices=["yes", "no", 3], deadline="1h", default="no")


@agent.task("say")
async def say(_: None, ctx: Context) -> Any:
    return await ctx.ask("What?")
"""


@pytest.fixture
def asking(cli: Cli, tmp_path: Path) -> Cli:
    """A worker whose tasks ask."""
    (tmp_path / "asks.py").write_text(AGENT)
    cli.start("worker", "asks.py:agent")
    return cli


def until(look: Callable[[], Any], within: float = 20) -> Any:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := look():
            return found
    raise AssertionError("it did not come")


def asked(cli: Cli, topic: str, body: str) -> str:
    task_id = cli.run("publish", topic, "--data", body).stdout.strip()
    until(lambda: [one for one in cli.json("questions") if one["id"] == task_id])
    return task_id


def test_a_question_is_listed_answered_and_gone(asking: Cli) -> None:
    task_id = asked(asking, "deploy", '"api"')
    (listed,) = asking.json("questions", "--topic", "deploy")
    assert (listed["text"], listed["choices"]) == ("Deploy api?", ["yes", "no", 3])
    assert (listed["question"], listed["default"], listed["answered"]) == (1, "no", False)
    assert asking.json("questions", "--topic", "say") == []
    shown = asking.run("questions").stdout.splitlines()
    assert shown[0].split()[:3] == ["ID", "TOPIC", "N"]
    assert shown[1].endswith("yes,no,3  Deploy api?")
    wrong = asking.run("answer", task_id, "maybe")
    assert wrong.returncode == 1
    assert 'choose one of "yes", "no", 3' in wrong.stderr
    other = asking.run("answer", task_id, "yes", "--question", "2")
    assert "does not wait for the answer to question 2" in other.stderr
    done = asking.run("answer", task_id, "3")
    assert (done.returncode, done.stdout) == (0, f"{task_id}: 3\n")
    assert asking.run("result", task_id, "--wait").stdout == "3\n"
    assert asking.run("questions").stderr == "nobody is asked anything\n"
    assert "asks nothing now" in asking.run("answer", task_id, "no").stderr


@pytest.mark.parametrize(
    ("typed", "given"), [("hello there", "hello there"), ('{"a":1}', {"a": 1})]
)
def test_an_answer_is_json_or_text(asking: Cli, typed: str, given: Any) -> None:
    task_id = asked(asking, "say", "null")
    assert asking.json("answer", task_id, typed)["answer"] == given
    assert json.loads(asking.run("result", task_id, "--wait").stdout) == given


def test_a_person_is_prompted_and_a_script_is_not(asking: Cli) -> None:
    task_id = asked(asking, "deploy", '"api"')
    refused = asking.run("answer", task_id)
    assert (refused.returncode, "give the answer as VALUE" in refused.stderr) == (2, True)
    leader, follower = pty.openpty()
    answering = asking.start("answer", task_id, stdin=follower, stderr=follower)
    os.close(follower)
    assert "Deploy api? (yes/no/3)" in read_terminal(leader, "3):")
    os.write(leader, b"maybe\n")
    assert "none of the choices" in read_terminal(leader, "3):")
    os.write(leader, b"yes\n")
    assert answering.wait(20) == 0
    os.close(leader)
    assert asking.run("result", task_id, "--wait").stdout == '"yes"\n'


def test_watch_says_how_to_answer(asking: Cli) -> None:
    task_id = asked(asking, "deploy", '"api"')
    leader, follower = pty.openpty()
    watching = asking.start("watch", task_id, stdout=follower)
    os.close(follower)
    shown = read_terminal(leader, "yes|no|3")
    assert f"answer it with: pepperpy answer {task_id} yes|no|3" in shown
    asking.run("answer", task_id, "no")
    read_terminal(leader, '"no"')
    os.close(leader)
    assert watching.wait(20) == 0


def test_tasks_are_canceled_and_each_is_told(asking: Cli) -> None:
    first, second = asked(asking, "say", "null"), asked(asking, "say", "null")
    done = asking.run("cancel", first, "nobody", second, "--reason", "spring cleaning")
    assert (done.returncode, done.stdout) == (1, f"{first} canceled\n{second} canceled\n")
    assert "error: no task nobody" in done.stderr
    ended = asking.run("result", first)
    assert ended.returncode == 1
    assert "canceled in attempt 1: canceled by cli/ana: spring cleaning" in ended.stderr
    told = asking.run("cancel", second, "--json")
    assert (told.returncode, json.loads(told.stdout)) == (0, {"id": second, "canceled": True})


def test_without_a_worker_the_request_is_kept(cli: Cli) -> None:
    task_id = cli.run("publish", "nowhere", "n:=1", "--no-check").stdout.strip()
    done = cli.run("cancel", task_id, "--wait", "200ms")
    assert (done.returncode, done.stdout) == (124, "")
    assert f"{task_id} will be canceled: no worker has done it within 200ms" in done.stderr
