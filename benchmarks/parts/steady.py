"""Memory and processor time of a worker over time, under a steady load of tasks with steps."""

import time
from statistics import linear_regression, median

from benchmarks import measure
from benchmarks.brokers import Broker
from benchmarks.durable import OURS
from benchmarks.parts.ground import Figures
from benchmarks.race import Entrant

WINDOWS = 4
STEPS = 2
IN_FLIGHT = 50


def steady(broker: Broker, tasks: int) -> Figures:
    """Runs windows of tasks one after the other and compares them.

    Args:
        broker: The broker.
        tasks: Tasks per window.
    """
    with Entrant(OURS("PepperPy"), broker, slots=IN_FLIGHT) as entrant:
        entrant.wait_for_client()
        pid = entrant.add_worker().pid
        entrant.run(tasks, IN_FLIGHT, STEPS)  # memory grows until all is warm
        done, cpu = [0.0], []
        resident, kept = [measure.rss_mb(pid)], [measure.rss_mb(broker.pid)]
        for _ in range(WINDOWS):
            before = measure.exact_cpu_seconds(pid)
            entrant.run(tasks, IN_FLIGHT, STEPS)
            time.sleep(measure.SETTLE_SECONDS)
            cpu.append((measure.exact_cpu_seconds(pid) - before) / tasks * 1e6)
            done.append(done[-1] + tasks)
            resident.append(measure.rss_mb(pid))
            kept.append(measure.rss_mb(broker.pid))
    return {
        "rss_mb": resident[-1],
        "rss_slope_mb": _slope(done, resident),
        "broker_rss_slope_mb": _slope(done, kept),
        "cpu_us_per_task": median(cpu),
        "cpu_last_vs_first": cpu[-1] / cpu[0],
    }


def _slope(done: list[float], resident: list[float]) -> float:
    """MB per 10 000 tasks."""
    return linear_regression(done, resident).slope * 1e4
