"""The benchmark of the runtime measures and names every figure; no timing is judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parts.ground import Spread
from benchmarks.runtime import KEYS, NAMES

ROOT = Path(__file__).resolve().parents[2]
SHARDS = {"shard_takeover_s", "shard_rebalance_s"}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/runtime.py", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def _figures(*parts: str) -> dict[str, Any]:
    done = _run("--quick", "--json", "--samples", "2", "--only", ",".join(parts))
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures: dict[str, Any] = json.loads(last)
    assert tuple(figures) == KEYS
    assert [line.split()[0] for line in table if line][1:] == list(KEYS)
    return figures


def test_the_last_line_has_every_figure_and_those_that_were_left_out_are_null() -> None:
    figures = _figures(*(name for name in NAMES if name != "shards"))
    assert {key for key, figure in figures.items() if figure is None} == SHARDS
    assert figures["durability"] == "fast"
    for key in (key for key in KEYS if key.endswith("_p99_ms")):
        assert figures[key.replace("p99", "p50")] <= figures[key]


@pytest.mark.slow
def test_a_worker_is_killed_and_another_one_comes() -> None:
    figures = _figures("shards")
    assert {key for key, figure in figures.items() if figure is not None} == {*SHARDS, "durability"}


def test_an_unknown_part_is_refused_by_name() -> None:
    done = _run("--only", "nothing")
    assert done.returncode == 1
    assert "unknown part 'nothing'; there are: creation, transitions, leases" in done.stderr


def test_a_spread_is_the_middle_and_the_late_end_of_the_timings() -> None:
    assert Spread.of([float(n) for n in range(101)]) == Spread(p50=50.0, p99=99.0)
    assert Spread.of([7.0]) == Spread(p50=7.0, p99=7.0)
