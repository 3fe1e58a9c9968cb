"""What PepperPy costs when it does nothing, and how it starts, stops and scales."""

import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median

from benchmarks import brokers, measure
from benchmarks.race import Contender, Entrant, end

IDLE_SECONDS = 10.5
SLOTS = 10
WAVES = 24
IMPORT_AND_IDLE = "import nats, time; time.sleep(600)"


def idle_figures(contender: Contender, *, repeats: int) -> dict[str, float]:
    """Measures everything but throughput; the idle worker rests on a broker of its own."""
    with ExitStack() as stack:
        resting = stack.enter_context(Entrant(contender, _nats(stack)))
        resting.wait_for_client()
        worker = resting.add_worker()
        bare = subprocess.Popen([sys.executable, "-c", IMPORT_AND_IDLE])
        stack.callback(end, bare)
        measure.wait_until_quiet([worker.pid])
        since, before = time.monotonic(), measure.exact_cpu_seconds(worker.pid)
        figures = {"import_cpu_ms": measure.import_cpu_ms("pepperpy")}
        figures |= _spawn_and_stop(contender, repeats)
        figures |= _wait_scaling(contender)
        time.sleep(max(0.0, IDLE_SECONDS - (time.monotonic() - since)))
        spent = measure.exact_cpu_seconds(worker.pid) - before
        rss = measure.rss_mb(worker.pid)
        return figures | {
            "idle_rss_mb": rss,
            "idle_rss_over_nats_mb": rss - measure.rss_mb(bare.pid),
            "idle_cpu_percent": 100 * spent / (time.monotonic() - since),
        }


def _spawn_and_stop(contender: Contender, repeats: int) -> dict[str, float]:
    first_results, exits = [], []
    with ExitStack() as stack:
        entrant = stack.enter_context(Entrant(contender, _nats(stack)))
        entrant.wait_for_client()
        for _ in range(repeats):
            started = time.perf_counter()
            worker = entrant.add_worker()
            entrant.run(1, 1)
            first_results.append(time.perf_counter() - started)
            measure.wait_until_quiet([worker.pid])
            stopped = time.perf_counter()
            end(worker)
            exits.append(time.perf_counter() - stopped)
            assert worker.returncode == 0, f"worker ended with {worker.returncode}"
            entrant.workers.clear()
    return {
        "spawn_to_first_result_s": median(first_results),
        "idle_sigterm_exit_s": median(exits),
    }


def _wait_scaling(contender: Contender) -> dict[str, float]:
    """Runs tasks that wait 50 ms on 1, 2 and 4 workers of ten slots each, all slots busy."""
    environ = {"PEPPERPY_BENCH_TOPIC": "wait"}
    rates: dict[int, float] = {}
    with ExitStack() as stack:
        entrant = stack.enter_context(Entrant(contender, _nats(stack), SLOTS, environ))
        entrant.wait_for_client()
        for workers in (1, 2, 4):
            while len(entrant.workers) < workers:
                entrant.add_worker()
            measure.wait_until_quiet([each.pid for each in entrant.workers])
            slots = SLOTS * workers
            entrant.run(2 * slots, 2 * slots)
            tasks = WAVES * slots
            rates[workers] = tasks / entrant.run(tasks, 2 * slots)["seconds"]
    return {f"wait_scaling_{n}": rates[n] / rates[1] for n in (2, 4)}


def _nats(stack: ExitStack) -> brokers.Broker:
    return stack.enter_context(brokers.nats_server())
