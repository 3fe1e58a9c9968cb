"""The bus benchmark runs its plain loops and names every figure; no timing is judged here."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from benchmarks import brokers
from benchmarks.bus import CONTENDERS, KEYS
from benchmarks.race import Contender, Entrant

ROOT = Path(__file__).resolve().parents[2]
TASKS = 200


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/bus.py", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


async def _stored(url: str) -> dict[str, int]:
    nc = await nats.connect(url)
    streams = await nc.jetstream().streams_info()
    await nc.close()
    return {each.config.name or "": each.state.messages for each in streams}


def test_the_last_line_is_one_flat_object_with_exactly_the_named_keys() -> None:
    done = _run("--quick", "--json", "--only", "raw loop,full loop", "--tasks", str(TASKS))
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert tuple(figures) == KEYS
    assert figures["durability"] == "fast"
    assert figures["cpu_vs_full_loop"] is None
    assert [line for line in table if line.startswith("raw loop ")]
    assert [line for line in table if line.startswith("full loop ")]
    assert "round 3 of 3" in done.stderr


@pytest.mark.parametrize(("name", "streams"), [("full loop", "HAND"), ("tuned loop", "TUNED")])
def test_a_loop_by_hand_stores_one_result_and_one_event_per_task_and_acks_them_all(
    name: str, streams: str
) -> None:
    control = next(each for each in CONTENDERS if each.name == name)
    with brokers.nats_server() as broker, Entrant(control, broker) as entrant:
        entrant.wait_for_client()
        entrant.add_worker()
        entrant.add_worker()
        seen = entrant.run(TASKS, 50)
        kept = {"TASKS": 0, "RESULTS": TASKS, "EVENTS": TASKS}
        wanted = {f"{streams}_{suffix}": count for suffix, count in kept.items()}
        assert _eventually(broker.url, wanted) == wanted
    assert seen["latencies"]["p50"] <= seen["latencies"]["p99"]


def test_an_unknown_contender_is_refused_by_name() -> None:
    done = _run("--only", "nobody")
    assert done.returncode == 1
    assert "unknown contender 'nobody'; there are: raw loop, full loop" in done.stderr


def test_a_contender_that_lacks_a_package_names_it() -> None:
    lacking = Contender("peer", "peer", "peer", needs=("json", "no_such_peer", "another"))
    assert lacking.missing() == "no_such_peer"


def _eventually(url: str, wanted: dict[str, int]) -> dict[str, int]:
    async def poll() -> dict[str, int]:
        async with asyncio.timeout(10):
            while (found := await _stored(url)) != wanted:
                await asyncio.sleep(0.05)
            return found

    return asyncio.run(poll())
