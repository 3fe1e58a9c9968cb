"""What a fleet keeps over a million events; a process of its own, so that nothing else is in it.

python endurance.py EVENTS LIMIT_BYTES
"""

import gc
import json
import sys
import time
import tracemalloc
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.monitors.story import events
from pepperpy_monitor_svc.fleet.fleet import Fleet

_WEIGHED = 5000
"""Tasks whose size is measured exactly."""


def main(count: int, limit: int) -> None:
    """Prints one JSON object."""
    print(json.dumps({**_kept(), **_over_time(count, limit)}))


def _kept() -> dict[str, float]:
    """Bytes of a task that has ended, by tracemalloc."""
    told = list(events(_WEIGHED))
    gc.collect()
    tracemalloc.start()
    fleet = Fleet()
    _take(fleet, told[:4], 1)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    _take(fleet, told, 10)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return {"kept_bytes_per_task": kept / _WEIGHED}


def _over_time(count: int, limit: int) -> dict[str, object]:
    """Resident memory, and CPU time of an event, while many are taken in."""
    fleet = Fleet(limit_bytes=limit)
    told = events(count // 3)
    rss, spent, seq, part = [], 0.0, 1, max(3, count // 10)
    for _ in range(10):
        some = list(islice(told, part * 4 // 3))
        began = time.process_time()
        _take(fleet, some, seq)
        spent += time.process_time() - began
        seq += len(some)
        del some
        gc.collect()
        rss.append(_rss_mb())
    counts = fleet.counters()
    return {
        "state_us_per_event": spent / max(1, counts.events) * 1e6,
        "rss_mb": rss,
        "events": counts.events,
        "tasks": counts.tasks,
        "evicted": counts.evicted,
        "evicted_failures": counts.evicted_failures,
    }


def _take(fleet: Fleet, told: list[tuple[str, bytes]], seq: int) -> None:
    at = time.time()
    for n, (subject, body) in enumerate(told, seq):
        if subject.startswith("event"):
            fleet.event(f"pp.{subject}", body, n, at)
        else:
            fleet.result(subject.rpartition(".")[2], body, n, at)


def _rss_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
