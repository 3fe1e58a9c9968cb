"""Measures the monitor: what an event costs, what a task takes, how fast one is found, and Flower.

    python benchmarks/monitor.py [--quick] [--json] [--no-peer]

Both are told the same story of 20 000 tasks in 60 000 events, ours by way of JetStream (with the
results beside the events), Flower by way of Redis. All events come as fast as they are sent. CPU
time and resident memory are those of the monitors' processes, dashboards and all. Ours is killed
then and started again, three times, to see how much of the history is there; its times are medians.
A process of its own takes in a million events with a small limit, to see whether its memory stays
flat. The last line of `--json` is one flat object; a figure that could not be taken is null.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers, measure
from benchmarks.monitors.pages import fetched, weight
from benchmarks.monitors.running import ROOT, Running, flower, flower_python, ours
from benchmarks.monitors.story import events

KEYS = (
    "cpu_us_per_event",
    "state_us_per_event",
    "bytes_per_task",
    "kept_bytes_per_task",
    "search_20k_ms",
    "page_kb",
    "history",
    "restart_s",
    "restart_cpu_s",
    "million_growth_mb",
    "flower_cpu_us_per_event",
    "flower_bytes_per_task",
    "flower_search_20k_ms",
    "flower_page_kb",
)
PEER = tuple(key for key in KEYS if key.startswith("flower_"))
_TEXTS = ("no parcel 1", "00000000003", "topic-7", "ruQ45HetGKXfvjkW0042", "nothing has this")
_MIB = 1 << 20
RESTARTS = 3
"""How often ours is started again."""

Figures = dict[str, float | None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="200 000 events instead of a million")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks that both are told of")
    parser.add_argument("--events", type=int, default=0, help="events of the long run")
    options = parser.parse_args(arguments)
    many = options.events or (200_000 if options.quick else 1_000_000)
    figures: Figures = dict.fromkeys(KEYS)
    figures |= _ours(options.tasks)
    figures |= _long_run(many)
    if not options.no_peer:
        figures |= _flower(options.tasks)
    _show(figures)
    if options.json:
        print(json.dumps(figures))


def _ours(tasks: int) -> Figures:
    with brokers.nats_server() as broker:
        with ours(broker.url) as monitor:

            def tell(count: int, first: int) -> None:
                asyncio.run(_publish(broker.url, count, first))
                monitor.until("/api/overview", lambda found: _complete(found, first + count))

            figures = _told(monitor, tell, tasks, "/api/tasks?limit=50&q=")
            before = monitor.asked("/api/overview")["overview"]["states"]
        times = [_restarted(broker.url, before) for _ in range(RESTARTS)]
        figures["history"] = min(one["history"] for one in times)
        for name in ("restart_s", "restart_cpu_s"):
            figures[name] = median(one[name] for one in times)
    return figures


def _restarted(url: str, before: dict[str, int]) -> dict[str, float]:
    """How long a monitor takes to know the states of the tasks that one before it knew."""
    everything = sum(before.values())
    began = time.monotonic()
    with ours(url) as monitor:
        found = monitor.until("/api/overview", lambda found: _complete(found, everything))
        took, cpu = time.monotonic() - began, measure.exact_cpu_seconds(monitor.pid)
    after = found["overview"]["states"]
    kept = sum(min(count, after.get(state, 0)) for state, count in before.items())
    return {"history": kept / everything, "restart_s": took, "restart_cpu_s": cpu}


async def _publish(url: str, tasks: int, first: int) -> None:
    import nats

    connection = await nats.connect(url)
    for n, (subject, body) in enumerate(events(tasks, first)):
        await connection.publish(f"pp.{subject}", body)
        if n % 500 == 0:
            await connection.flush()
    await connection.flush()
    await connection.close()


def _complete(answer: Any, tasks: int) -> bool:
    counts = answer["overview"].get("counts", {})
    return bool(counts.get("events", 0) >= 3 * tasks and counts.get("results", 0) >= tasks)


def _flower(tasks: int) -> Figures:
    python = flower_python()
    if python is None or brokers.redis_binary() is None:
        return {}
    listed = "/tasks/datatable?draw=1&start=0&order[0][column]=0&order[0][dir]=asc"
    listed += "&columns[0][data]=name&search[regex]=false"
    with brokers.redis_server() as broker, flower(python, broker.url) as monitor:

        def tell(count: int, first: int) -> None:
            teller = str(ROOT / "benchmarks/monitors/celery_teller.py")
            subprocess.run([str(python), teller, broker.url, str(count), str(first)], check=True)
            path = f"{listed}&length=1&search[value]="
            monitor.until(path, lambda found: found["recordsTotal"] >= first + count)
            measure.wait_until_quiet([monitor.pid])

        time.sleep(2)  # until it listens to events
        figures = _told(monitor, tell, tasks, f"{listed}&length=50&search[value]=")
    return {f"flower_{name}": figure for name, figure in figures.items()}


def _told(monitor: Running, tell: Callable[[int, int], None], tasks: int, search: str) -> Figures:
    """What the story costs a monitor, from its first event to its last, and to look into it.

    A tenth of it is told before, so that what is loaded and made once is not taken for tasks.
    """
    warm = max(1, tasks // 10)
    tell(warm, 0)
    page = weight(monitor.url + "/tasks", search) / 1024
    _search(monitor, search)
    cpu, rss = measure.exact_cpu_seconds(monitor.pid), measure.rss_mb(monitor.pid)
    tell(tasks, warm)
    cpu = measure.exact_cpu_seconds(monitor.pid) - cpu
    rss = measure.rss_mb(monitor.pid) - rss
    return {
        "cpu_us_per_event": cpu * 1e6 / (3 * tasks),
        "bytes_per_task": rss * _MIB / tasks,
        "search_20k_ms": _search(monitor, search),
        "page_kb": page,
    }


def _search(monitor: Running, path: str, rounds: int = 7) -> float:
    """Milliseconds of a search over HTTP, p10: the machine that answers asks, too."""
    took = []
    for _ in range(rounds):
        for text in _TEXTS:
            began = time.perf_counter()
            fetched(monitor.url + path + text.replace(" ", "%20"))
            took.append((time.perf_counter() - began) * 1e3)
    return sorted(took)[len(took) // 10]


def _long_run(many: int) -> Figures:
    script = str(ROOT / "benchmarks/monitors/endurance.py")
    # Full after a fifth of it, so that most of the run shows what is let go.
    limit = max(_MIB, many // 3 * 150)
    command = [sys.executable, script, str(many), str(limit)]
    found = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    rss: list[float] = found["rss_mb"]
    print(f"{found['events']} events, {found['tasks']} tasks kept, {found['evicted']} let go, of")
    print(f"these {found['evicted_failures']} failures; RSS in MiB after each tenth:")
    print(" ".join(f"{one:.0f}" for one in rss))
    return {
        "state_us_per_event": found["state_us_per_event"],
        "kept_bytes_per_task": found["kept_bytes_per_task"],
        "million_growth_mb": rss[-1] - rss[len(rss) // 2],
    }


def _show(figures: Figures) -> None:
    print(f"{'':24} {'PepperPy':>12} {'Flower':>12}")
    for name in KEYS[: -len(PEER)]:
        cells = [figures[name], figures.get(f"flower_{name}")]
        shown = [f"{'':>12}" if one is None else f"{one:12.2f}" for one in cells]
        print(f"{name:24} {' '.join(shown)}")
    for name, figure in figures.items():
        figures[name] = None if figure is None else round(figure, 3)


if __name__ == "__main__":
    main()
