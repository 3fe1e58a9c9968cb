"""Measures agents that think: their import, a thousand of them, and what their loop adds.

    python benchmarks/agents.py [--quick] [--json] [--only NAME,NAME] [--no-peers] [--agents N]

Agno, LangGraph and AutoGen run from an environment of their own and take turns with ours, each in
a fresh process; only ratios within one run are compared, and processor time rather than
seconds: the machine may be shared. What "registered" means differs: ours are workers at a broker,
which is counted with them, theirs are entries of a table in their process. The last line of
`--json` is one flat object; a figure that could not be taken, or was left out, is null.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers
from benchmarks.contenders import roles
from benchmarks.parts.ground import Figures, ground
from benchmarks.thinking import costs, peers
from benchmarks.thinking.crowd import crowd
from benchmarks.thinking.imports import imports
from benchmarks.thinking.loop import loop

PARTS = ("imports", "crowd", "loop")
KEYS = (
    "import_cpu_over_nats_ms",
    "frameworks_imported",
    "agents",
    "created_cpu_us",
    "created_kib",
    "registered_cpu_us",
    "registered_broker_cpu_us",
    "registered_kib",
    "registered_broker_kib",
    "created_cpu_vs_agno",
    "created_memory_vs_agno",
    "registered_cpu_vs_agno",
    "registered_memory_vs_agno",
    "created_cpu_vs_langgraph",
    "created_memory_vs_langgraph",
    "registered_cpu_vs_langgraph",
    "registered_memory_vs_langgraph",
    "created_cpu_vs_autogen",
    "created_memory_vs_autogen",
    "registered_cpu_vs_autogen",
    "registered_memory_vs_autogen",
    "llm_p50_ms",
    "turn_added_p50_ms",
    "turn_p50_vs_llm",
    "tool_call_p50_ms",
    "llm_cpu_ms",
    "turn_added_cpu_ms",
    "turn_cpu_vs_llm",
    "tool_call_cpu_ms",
    "durability",
)
STARTED = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints tables, and the flat object with `--json`."""
    options = _options(arguments)
    chosen = _chosen(options.only)
    # As an installation has it: else every process would compile our modules, and ours alone.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    figures: Figures = dict.fromkeys(KEYS) | {"durability": brokers.DURABILITY}
    if "imports" in chosen:
        _say("imports")
        figures |= imports(5 if options.quick else 15)
    if "crowd" in chosen:
        _say(f"{options.agents} agents")
        figures |= _crowd(options) | {"agents": options.agents}
    if "loop" in chosen:
        _say("loop")
        figures |= _loop(options.samples or (10 if options.quick else 40))
    print("\n".join(f"{key:32} {_shown(figures[key])}" for key in KEYS))
    if options.json:
        print(json.dumps({key: _rounded(figures[key]) for key in KEYS}))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of all agents")
    parser.add_argument("--json", action="store_true", help="print one object on the last line")
    parser.add_argument("--only", default="", help=f"of {', '.join(PARTS)}; separated by commas")
    parser.add_argument("--no-peers", action="store_true", help="leave the other frameworks out")
    parser.add_argument("--agents", type=int, default=1000, help="how many are made")
    parser.add_argument("--samples", type=int, help="tasks of each kind, for the loop")
    return parser.parse_args(arguments)


def _chosen(only: str) -> set[str]:
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := wanted - set(PARTS):
        raise SystemExit(f"unknown part {sorted(unknown)[0]!r}; there are: {', '.join(PARTS)}")
    return wanted or set(PARTS)


def _crowd(options: argparse.Namespace) -> Figures:
    pythons = {costs.OURS: Path(sys.executable)}
    if not options.no_peers and (python := peers.python()) is not None:
        pythons |= dict.fromkeys(peers.NAMES, python)
    rounds = crowd(pythons, options.agents, 1 if options.quick else 3)
    print("\n".join([*costs.table(rounds), ""]))
    return costs.figures_of(rounds)


def _loop(samples: int) -> Figures:
    figures: Figures = {}

    async def measure() -> None:
        async with ground(broker, samples) as standing:
            figures.update(await loop(standing))

    with brokers.nats_server() as broker:
        roles.run(measure())
    return figures


def _shown(figure: float | str | None) -> str:
    return "-" if figure is None else f"{figure:.3f}" if isinstance(figure, float) else str(figure)


def _rounded(figure: float | str | None) -> float | str | None:
    return round(figure, 4) if isinstance(figure, float) else figure


def _say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
