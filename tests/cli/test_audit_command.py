"""`pepperpy audit` finds acts, checks the chain, and writes it into a file that can be checked."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Cli

CHAINER = Path(__file__).parents[1] / "monitor_svc" / "audit" / "chainer.py"


@pytest.fixture
def chained(cli: Cli) -> Iterator[Cli]:
    """A deployment whose acts are chained."""
    chainer = subprocess.Popen([sys.executable, str(CHAINER), cli.url, cli.prefix])
    try:
        yield cli
    finally:
        chainer.kill()
        chainer.wait()


def records(cli: Cli, count: int, *arguments: str) -> Any:
    """The records of a search when there are so many."""
    end = time.monotonic() + 20
    while True:
        found = cli.json("audit", "search", *arguments)
        if len(found["items"]) >= count:
            return found
        assert time.monotonic() < end, found


def test_it_finds_who_did_what_and_checks_and_exports_it(chained: Cli, tmp_path: Path) -> None:
    for n in range(3):
        chained.run("publish", "triage", "text=late", "--id", f"t{n}")
    records(chained, 3, "--action", "submit")

    shown = chained.run("audit", "search", "--target", "t1").stdout.splitlines()
    assert shown[0].split() == ["SEQ", "AT", "BY", "ACTION", "TARGET", "VALUES"]
    assert shown[1].split()[2:] == ["cli/ana", "(says)", "submit", "t1", "topic=triage", "bytes=16"]

    first = chained.run("audit", "search", "--action", "submit", "--limit", "2")
    cursor = first.stderr.split()[-1]
    page = records(chained, 1, "--action", "submit", "--cursor", cursor)
    assert [one["target"] for one in page["items"]] == ["t0"]
    assert (page["total"], page["records"]) == (None, 4)
    whole = records(chained, 1, "--target", "t1")
    assert (whole["total"], whole["records"]) == (1, 4)
    wrong = chained.run("audit", "search", "--cursor", "bogus")
    assert wrong.returncode == 1
    assert "TOPIC" not in wrong.stderr

    head = chained.run("audit", "head").stdout.strip()
    good = chained.run("audit", "verify", "--head", head)
    assert (good.returncode, good.stdout.split(";")[0]) == (0, "ok: 4 records are what was written")
    gone = chained.run("audit", "verify", "--head", f"9{head}")
    assert gone.returncode == 1
    assert "record 5 was cut off" in gone.stdout

    file = tmp_path / "acts.jsonl"
    assert chained.run("audit", "export", "-o", str(file)).stderr == f"4 records are in {file}\n"
    assert chained.run("audit", "verify", str(file)).returncode == 0
    assert chained.run("audit", "export").stdout.encode() == file.read_bytes()
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], *lines[3:]]))
    done = chained.run("audit", "verify", str(file), "--json")
    assert done.returncode == 1
    (fault,) = json.loads(done.stdout)["faults"]
    assert (fault["kind"], fault["seq"]) == ("removed", 2)


def test_what_is_said_of_the_command_itself_is_clear(cli: Cli, tmp_path: Path) -> None:
    assert cli.run("audit", "search").stdout == ""
    assert "ok: 0 records" in cli.run("audit", "verify").stdout
    done = cli.run("audit", "verify", str(tmp_path / "none"))
    assert done.returncode != 0
    assert "cannot read" in done.stderr
    done = cli.run("audit", "verify", "--head", "12")
    assert "12" in done.stderr
    assert "pepperpy audit head" in done.stderr
    heads = tmp_path / "heads"
    heads.write_text("2026-11-29T12:00:00Z 3 " + "ab" * 32 + "\n")
    done = cli.run("audit", "verify", "--heads", str(heads))
    assert (done.returncode, "record 1 was cut off" in done.stdout) == (1, True)


def test_agents_schedules_splits_and_letters_are_changed_by_somebody(chained: Cli) -> None:
    chained.run("agents", "split", "triage", "1.0.0=9", "1.1.0=1")
    later = chained.run("publish", "triage", "text=late", "--delay", "1h").stdout.strip()
    chained.run("schedules", "pause", later)
    chained.run("schedules", "rm", later)
    chained.run("resources", "define", "gpu", "--capacity", "2")
    found = records(chained, 5, "--by", "anon")
    told = {one["action"]: one for one in found["items"]}
    assert told.keys() == {
        "split",
        "schedule",
        "schedule-pause",
        "schedule-remove",
        "resource-define",
    }
    assert told["split"]["data"] == {"as": "cli/ana", "weights": "1.0.0=9 1.1.0=1"}
    assert told["schedule"]["target"] == later
    assert told["resource-define"]["data"] == {"as": "cli/ana", "capacity": 2}
