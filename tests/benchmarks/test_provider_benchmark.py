"""The benchmark of the provider service runs and names every figure; no timing is judged here."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.provider import KEYS, OURS, PEER

ROOT = Path(__file__).resolve().parents[2]
PEERS = {"litellm_added_over_ours", "rps_over_litellm"}


def test_the_last_line_has_exactly_the_named_keys_and_a_peer_that_is_left_out_is_null() -> None:
    counts = ("--requests", "20", "--streams", "50")
    done = subprocess.run(
        [sys.executable, "benchmarks/provider.py", "--json", "--no-peer", *counts],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert tuple(figures) == KEYS
    assert {key for key, figure in figures.items() if figure is None} == PEERS
    assert figures["rss_mb"] > 0
    names = [line[:14].strip() for line in table]
    assert OURS in names
    assert PEER not in names
