import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import Cli
from tests.cli.inline import Inline
from tests.cli.test_result_watch import read_terminal

GRAPH = """\
name: letters
nodes:
  first:
    topic: echo
    input: {say: ["${input.word}"]}
  each_one:
    topic: echo
    each: [{n: 1}, {n: 2}]
    after: [first]
  last:
    topic: echo
    when: each_one.state == 'completed'
    input: {got: "${each_one.result}"}
"""
BAD = """\
name: bad
nodes:
  break: {topic: echo, input: {fail: true}}
  never: {topic: echo, after: [break]}
"""
ECHO = """\
from typing import Any
from pepperpy import Agent

agent = Agent("echoes")

@agent.task("echo", retries=0)
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    assert not body.get("fail"), "it broke"
    return body
"""


def workers(cli: Cli, folder: Path) -> "subprocess.Popen[str]":
    """Starts a worker of the echo and of the stock agent."""
    (folder / "echoes.py").write_text(ECHO)
    agents = ("echoes.py:agent", "pepperpy_agents.graphs.orchestrator:agent")
    return cli.start("worker", *agents, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "letters.yaml").write_text(GRAPH)
    return str(tmp_path / "letters.yaml")


def test_check_says_what_a_graph_is_or_where_it_is_wrong(inline: Inline, file: str) -> None:
    assert inline.run("graph", "check", file) == 0
    assert inline.out == "letters: 3 nodes in 3 layers\n"
    document = inline.json("graph", "check", file)
    assert list(document["nodes"]) == ["first", "each_one", "last"]
    Path(file).write_text(GRAPH.replace("after: [first]", "after: [last]"))
    assert inline.run("graph", "check", file) == 1
    cycle = "each_one -> last -> each_one"
    assert inline.err == (
        f"error: {file}:10: the nodes wait for each other in a cycle: {cycle}\n"
        "  hint: take one of these dependencies out: an `after`, or a reference\n"
    )
    assert inline.run("graph", "check", "none.yaml") == 1
    assert inline.err == "error: none.yaml: No such file or directory\n"


def test_check_draws_a_diagram(inline: Inline, file: str) -> None:
    assert inline.run("graph", "check", file, "--mermaid") == 0
    assert inline.out == (
        "flowchart LR\n"
        '  n0["first<br/>echo"]\n'
        '  n1["each_one<br/>echo"]\n'
        '  n2["last<br/>echo"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
    )


def test_a_graph_is_run_and_shown(cli: Cli, file: str, tmp_path: Path) -> None:
    workers(cli, tmp_path)
    done = cli.run("graph", "run", file, "--input", '{"word":"hi"}', "--id", "one", "--wait=30s")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"last": {"got": [{"n": 1}, {"n": 2}]}}
    shown = cli.run("graph", "one")
    assert shown.returncode == 0, shown.stderr
    head, _, *rows = shown.stdout.splitlines()
    assert head.startswith("letters  one  completed  3/3  ")
    assert [row.split()[:3] for row in rows] == [
        ["✓", "first", "completed"],
        ["✓", "each_one", "completed"],
        ["✓", "last", "completed"],
    ]
    assert rows[1].rstrip().endswith("2/2  echo  ← first")
    document = cli.json("graph", "show", "one", "--once")
    assert document["state"] == "completed"
    assert document["nodes"]["last"]["needs"] == ["each_one"]
    assert 'n2["last<br/>echo"]:::completed' in cli.run("graph", "one", "--mermaid").stdout


def test_a_failed_graph_is_exit_code_1_and_names_its_node(cli: Cli, tmp_path: Path) -> None:
    workers(cli, tmp_path)
    (tmp_path / "bad.yaml").write_text(BAD)
    done = cli.run("graph", "run", "bad.yaml", "--id", "bad", "--wait=80s", timeout=90)
    assert done.returncode == 1
    assert "graph bad: node break failed" in done.stderr
    shown = cli.run("graph", "bad")
    assert shown.returncode == 1
    assert "✗ break" in shown.stdout
    assert "○   never" in shown.stdout


def test_a_terminal_draws_a_graph_while_it_runs(cli: Cli, file: str, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    try:
        drawing = cli.start("graph", "live", stdout=follower, stderr=follower)
        os.close(follower)
        submitted = cli.run("graph", "run", file, "--id", "live", "--input", '{"word":"hi"}')
        assert submitted.stdout == "live\n"
        assert "no orchestrator has ever been up" in submitted.stderr
        workers(cli, tmp_path)
        assert "completed  3/3" in read_terminal(leader, "completed  3/3")
        assert drawing.wait(timeout=20) == 0
    finally:
        os.close(leader)


def test_a_graph_that_never_was_is_an_error(inline: Inline) -> None:
    assert inline.run("graph", "show", "nothing", "--once") == 1
    assert "graph nothing has not begun, or never was" in inline.err
