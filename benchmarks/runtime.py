"""Measures the runtime: agents, leases, live output, waits, shards, and a worker over time.

    python benchmarks/runtime.py [--quick] [--json] [--only NAME,NAME] [--samples N]

Where there is something to compare with, it takes turns with ours in the same run: the raw
library's own bucket, a bare publish, a task of a loop written by hand. Compare ratios only: the
machine may be shared. The last line of `--json` is one flat object; a figure that could not be
taken, or was left out, is null.
"""

import argparse
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers
from benchmarks.contenders import roles
from benchmarks.parts import live, objects, shards, shared, steady, waits
from benchmarks.parts.ground import Figures, Ground, ground

PARTS: dict[str, Callable[[Ground], Awaitable[Figures]]] = {
    "creation": objects.creation,
    "transitions": objects.transitions,
    "leases": shared.leases,
    "updates": shared.updates,
    "chunks-1": partial(live.first_pieces, watchers=1),
    "chunks-10": partial(live.first_pieces, watchers=10),
    "chunks-50": partial(live.first_pieces, watchers=50),
    "waits": waits.waits,
    "shards": shards.shards,
}
STEADY = "steady"
NAMES = (*PARTS, STEADY)
KEYS = (
    "agent_creation_us",
    "transition_us",
    "transition_event_us",
    "transition_stored_p50_ms",
    "transition_stored_vs_publish",
    "lease_p50_ms",
    "lease_p99_ms",
    "lease_vs_kv",
    "update_p50_ms",
    "update_p99_ms",
    "update_vs_kv",
    "first_chunk_1_p50_ms",
    "first_chunk_1_p99_ms",
    "first_chunk_1_vs_core",
    "first_chunk_10_p50_ms",
    "first_chunk_10_p99_ms",
    "first_chunk_10_vs_core",
    "first_chunk_50_p50_ms",
    "first_chunk_50_p99_ms",
    "first_chunk_50_vs_core",
    "answer_p50_ms",
    "answer_p99_ms",
    "answer_vs_task",
    "child_p50_ms",
    "child_p99_ms",
    "child_vs_task",
    "children_10_p50_ms",
    "parent_resumed_p50_ms",
    "parent_resumed_p99_ms",
    "parent_resumed_vs_task",
    "shard_takeover_s",
    "shard_rebalance_s",
    "rss_mb",
    "rss_slope_mb",
    "broker_rss_slope_mb",
    "cpu_us_per_task",
    "cpu_last_vs_first",
    "durability",
)
STARTED = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints a table, and the flat object with `--json`."""
    options = _options(arguments)
    chosen = _chosen(options.only)
    samples = options.samples or (20 if options.quick else 60)
    figures: Figures = dict.fromkeys(KEYS)
    version = ""
    for name in chosen:
        _say(name)
        # Of its own for each part: what one leaves behind does not slow the next one down.
        with brokers.nats_server() as broker:
            version = broker.version
            if name == STEADY:
                figures |= steady.steady(broker, tasks=200 * samples)
            else:
                roles.run(_measure(name, broker, samples, figures))
    figures["durability"] = brokers.DURABILITY
    print(_table(figures, version))
    if options.json:
        print(json.dumps({key: _rounded(figures[key]) for key in KEYS}))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of the runtime.")
    parser.add_argument("--quick", action="store_true", help="end within two minutes")
    parser.add_argument("--json", action="store_true", help="print one object on the last line")
    parser.add_argument("--only", default="", help=f"of {', '.join(NAMES)}; separated by commas")
    parser.add_argument("--samples", type=int, help="timings of what takes milliseconds")
    return parser.parse_args(arguments)


def _chosen(only: str) -> list[str]:
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := wanted - set(NAMES):
        raise SystemExit(f"unknown part {sorted(unknown)[0]!r}; there are: {', '.join(NAMES)}")
    return [name for name in NAMES if not wanted or name in wanted]


async def _measure(name: str, broker: brokers.Broker, samples: int, figures: Figures) -> None:
    async with ground(broker, samples) as standing:
        figures |= await PARTS[name](standing)


def _table(figures: Figures, version: str) -> str:
    lines = [
        f"The runtime, durability={brokers.DURABILITY} (sync_interval {brokers.SYNC_INTERVAL}), "
        f"{version}",
        "",
    ]
    return "\n".join(lines + [f"{key:30} {_shown(figures[key])}" for key in KEYS])


def _shown(figure: float | str | None) -> str:
    return "-" if figure is None else figure if isinstance(figure, str) else f"{figure:.3f}"


def _rounded(figure: float | str | None) -> float | str | None:
    return round(figure, 4) if isinstance(figure, float) else figure


def _say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
