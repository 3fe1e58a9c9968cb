"""`pepperpy plan FILE` of tasks and goals: shown without a broker, carried out with --run."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import Cli
from tests.cli.inline import Inline

TASKS = """\
goal: trip
input: {city: Rome}
methods:
  - name: by_train
    task: trip
    steps:
      - {name: train, task: fail, input: {to: "${input.city}"}}
  - name: by_plane
    task: trip
    ordered: true
    steps:
      - {name: flight, task: echo, input: {to: "${input.city}"}}
      - {name: hotel, task: echo, input: {in: "${flight.result.to}"}}
    output: "${hotel.result.in}"
"""
GOAL = """\
goal: Do two tasks.
name: two
sources:
  echoed: {events: task.completed.echo}
sub_goals:
  - {name: tasks, source: echoed, target: 2}
since: 2020-01-01T00:00:00Z
every: 0.2
"""
AGENT = """\
from typing import Any
from pepperpy import Agent

agent = Agent("echoes")

@agent.task("echo", retries=0)
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body

@agent.task("fail", retries=0)
async def fail(body: dict[str, Any]) -> None:
    raise ValueError("it is full")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip.yaml").write_text(TASKS)
    (tmp_path / "two.yaml").write_text(GOAL)
    (tmp_path / "echoes.py").write_text(AGENT)
    return tmp_path


def test_tasks_are_a_table_or_a_diagram_without_a_broker(inline: Inline) -> None:
    assert inline.run("plan", "trip.yaml") == 0, inline.err
    lines = inline.out.splitlines()
    assert lines[0].split() == ["TASK", "TOPIC", "AFTER", "MADE", "BY", "PLAN", "STATE"]
    assert lines[1].split() == ["train", "fail", "-", "trip:", "by_train", "1", "planned"]
    assert lines[-1].startswith("Topics were not checked")
    assert inline.run("plan", "trip.yaml", "--mermaid") == 0
    assert inline.out == 'flowchart LR\n  n0["train<br/>fail"]\n'
    assert inline.json("plan", "trip.yaml")["tasks"][0]["topic"] == "fail"


def test_a_goal_without_a_broker_is_not_measured(inline: Inline) -> None:
    assert inline.run("plan", "two.yaml") == 0, inline.err
    lines = inline.out.splitlines()
    assert lines[1].split()[:4] == ["tasks", "not", "measured", "-"]
    assert lines[-2].endswith(": not measured, for there is no bus.")


def test_a_slip_is_named_with_its_line(inline: Inline, folder: Path) -> None:
    (folder / "trip.yaml").write_text(TASKS.replace("ordered: true", "order: true"))
    assert inline.run("plan", "trip.yaml") == 1
    assert "trip.yaml:10: there is no field 'methods[1].order'" in inline.err
    (folder / "trip.yaml").write_text(TASKS.replace("${flight.", "${flght."))
    assert inline.run("plan", "trip.yaml", "--planner", "tasks") == 0  # that method is not used


def test_what_cannot_be_run_or_drawn_is_said(inline: Inline, folder: Path) -> None:
    assert inline.run("plan", "two.yaml", "--mermaid") == 2
    assert "only plans of tasks have a diagram" in inline.err
    (folder / "w.yaml").write_text(
        "resources: {a: {}}\njobs:\n  - {name: j, tasks: [{name: t, duration: 1}]}\n"
    )
    assert inline.run("plan", "w.yaml", "--run") == 2
    assert "only plans of tasks are carried out" in inline.err


def test_a_plan_is_run_and_a_goal_watched(cli: Cli) -> None:
    stock = (
        "pepperpy_agents.graphs.orchestrator:agent",
        "pepperpy_capabilities.planning.planner_agent:agent",
    )
    waiting = cli.run("plan", "trip.yaml", "--run")
    assert waiting.returncode == 0, waiting.stderr
    assert "no planner has ever been up" in waiting.stderr
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    cli.start("worker", "echoes.py:agent", *stock, **quiet)
    first = cli.run("result", waiting.stdout.strip(), "--wait=60s")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["result"] == "Rome"
    done = cli.run("plan", "trip.yaml", "--run", "--wait=60s")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[2].split() == ["hotel", "echo", "flight", "trip:", "by_plane", "2", "completed"]
    assert "  train: trip: by_plane instead of trip: by_train" in lines
    assert lines[-1] == 'result: "Rome"'
    watched = cli.run("plan", "two.yaml", "--run", "--wait=60s")
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.splitlines()[1].split()[:3] == ["tasks", "reached", "100%"]
