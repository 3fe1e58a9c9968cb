"""`pepperpy monitor snapshots`: taken, listed, compared, exported, removed."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Cli


@pytest.fixture
def monitored(cli: Cli) -> Cli:
    """A deployment with a monitor."""
    environment = cli.environment() | {"PEPPERPY_MONITOR_PORT": "0"}
    monitor = cli.start("monitor", "run", stdout=None, stderr=None, env=environment)
    while cli.run("monitor", "status").returncode != 0:
        assert monitor.poll() is None
    return cli


def test_two_moments_are_taken_compared_exported_and_removed(
    monitored: Cli, tmp_path: Path
) -> None:
    first = monitored.json("monitor", "snapshots", "take", "--reason", "before")
    assert (first["reason"], first["by"]) == ("before", "cli/ana")
    monitored.run("publish", "triage", "text=late", "--id", "t1")
    while not monitored.json("monitor", "tasks")["items"]:
        time.sleep(0.1)
    second = monitored.run("monitor", "snapshots", "take").stdout.strip()

    rows = monitored.json("monitor", "snapshots", "ls", "--check")
    assert [row["id"] for row in rows][:2] == [second, first["id"]]
    assert {row["damage"] for row in rows} == {""}

    slip = monitored.run("monitor", "snapshots", "compare", first["id"], "--section", "bogus")
    assert slip.returncode == 2
    assert "'bogus' is none of overview, topics" in slip.stderr
    shown = monitored.run("monitor", "snapshots", "compare", first["id"], "--section", "overview")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"{first['id']} → {second}, ")
    assert any(line.split()[1:4] == ["tasks", "submitted", "-"] for line in lines)
    found: Any = monitored.json("monitor", "snapshots", "compare", second, first["id"])
    assert (found["a"]["id"], found["b"]["id"]) == (first["id"], second)

    assert "reason    before" in monitored.run("monitor", "snapshots", "show", first["id"]).stdout
    file = tmp_path / "one.json"
    monitored.run("monitor", "snapshots", "export", "last", "-o", str(file))
    assert json.loads(file.read_text())["id"] == second

    gone = monitored.json("monitor", "snapshots", "rm", first["id"])
    assert gone == {"removed": [first["id"]]}
    while not monitored.json("audit", "search", "--action", "snapshot-remove")["items"]:
        time.sleep(0.1)
    done = monitored.run("monitor", "snapshots", "show", first["id"])
    assert done.returncode != 0
    assert f"no snapshot {first['id']}" in done.stderr


def test_without_a_monitor_nothing_is_taken_and_nothing_is_last(cli: Cli) -> None:
    done = cli.run("monitor", "snapshots", "take")
    assert done.returncode != 0
    assert "pepperpy monitor run" in done.stderr
    assert cli.json("monitor", "snapshots", "ls") == []
    done = cli.run("monitor", "snapshots", "show", "last")
    assert "there is no snapshot yet" in done.stderr
