"""The benchmark of agents that think runs and names every figure; no timing is judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.agents import KEYS
from benchmarks.thinking.costs import Cost, Round, figures_of, table
from benchmarks.thinking.imports import NONE
from benchmarks.thinking.peers import NAMES

ROOT = Path(__file__).resolve().parents[2]
PEERS = {key for key in KEYS if key.partition("_vs_")[2] in {name.lower() for name in NAMES}}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/agents.py", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_last_line_has_exactly_the_named_keys_and_peers_that_are_left_out_are_null() -> None:
    done = _run("--quick", "--json", "--no-peers", "--agents", "20", "--samples", "2")
    assert done.returncode == 0, done.stderr
    *tables, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert tuple(figures) == KEYS
    assert len(PEERS) == 12
    assert {key for key, figure in figures.items() if figure is None} == PEERS
    assert (figures["agents"], figures["frameworks_imported"]) == (20, NONE)
    assert figures["registered_cpu_us"] > figures["created_cpu_us"] > 0
    assert [line for line in tables if line.startswith("PepperPy ")]


def test_an_unknown_part_is_refused_by_name() -> None:
    done = _run("--only", "nothing")
    assert done.returncode == 1
    assert "unknown part 'nothing'; there are: imports, crowd, loop" in done.stderr


def test_the_broker_counts_as_ours_and_processor_time_is_compared_within_a_round() -> None:
    # The machine was three times as slow in the second round, for both.
    ours = [
        Round("pepperpy 1", Cost(10 * mood, 4), Cost(20 * mood, 50, 40 * mood, 30))
        for mood in (1, 3, 1)
    ]
    other = [Round("agno 3", Cost(5 * mood, 2), Cost(6 * mood, 2)) for mood in (1, 3, 1)]
    figures = figures_of({"PepperPy": ours, "Agno": other})
    assert figures == {
        "created_cpu_us": 10,
        "created_kib": 4,
        "registered_cpu_us": 20,
        "registered_broker_cpu_us": 40,
        "registered_kib": 50,
        "registered_broker_kib": 30,
        "created_cpu_vs_agno": 2,
        "created_memory_vs_agno": 2,
        "registered_cpu_vs_agno": pytest.approx(10),
        "registered_memory_vs_agno": 40,
    }
    assert set(figures) < set(KEYS)
    lines = table({"PepperPy": ours, "Agno": other})
    assert lines[-2].split() == ["PepperPy", "1", "10.0", "4.0", "20.0", "50.0", "40.0", "30.0"]
    assert lines[-1].split() == ["Agno", "3", "5.0", "2.0", "6.0", "2.0"]


def test_memory_that_is_too_little_to_be_seen_is_compared_with_nothing() -> None:
    rounds = {
        "PepperPy": [Round("pepperpy 1", Cost(1, 1), Cost(1, 1))],
        "Agno": [Round("agno 3", Cost(1, 0), Cost(1, 0))],
    }
    figures = figures_of(rounds)
    assert figures["created_memory_vs_agno"] is None
    assert figures["created_cpu_vs_agno"] == 1
