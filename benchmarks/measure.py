"""Readings of processes: CPU time, memory, how long a command computes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

try:
    import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
except ModuleNotFoundError:
    raise SystemExit("psutil is missing; install it with: pip install --group bench") from None

SETTLE_SECONDS = 0.15


def family(pid: int) -> list[psutil.Process]:
    """Returns a process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Returns the CPU time of processes and their children, in the kernel's ticks of 10 ms."""
    times = [each.cpu_times() for pid in pids for each in family(pid)]
    return float(sum(each.user + each.system for each in times))


def exact_cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process in nanoseconds' resolution where the kernel tells it."""
    threads = [path for each in family(pid) for path in Path(f"/proc/{each.pid}/task").glob("*")]
    try:
        return sum(int((path / "schedstat").read_text().split()[0]) for path in threads) / 1e9
    except OSError:
        return cpu_seconds([pid])


def rss_mb(pid: int) -> float:
    """Returns the resident memory of a process and its children in MiB."""
    return float(sum(each.memory_info().rss for each in family(pid))) / 2**20


def command_cpu_ms(code: str) -> float:
    """Returns the CPU time that a fresh interpreter takes to run `code`."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"failed: {code}"
    return (usage.ru_utime + usage.ru_stime) * 1e3


def import_cpu_ms(module: str, repeats: int = 5) -> float:
    """Returns what importing `module` costs over a bare interpreter; medians, taken in turn."""
    pairs = [(command_cpu_ms(f"import {module}"), command_cpu_ms("pass")) for _ in range(repeats)]
    return median(full for full, _ in pairs) - median(bare for _, bare in pairs)


def wait_until_quiet(pids: list[int], seconds: float = 20) -> None:
    """Returns once started processes are up: they hardly compute any more."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds(pids)
    while time.monotonic() < deadline:
        time.sleep(0.4)
        now = cpu_seconds(pids)
        if now > 0 and now - before <= 0.01 * len(pids):
            return
        before = now
    raise SystemExit(f"processes did not come to rest within {seconds} s")
