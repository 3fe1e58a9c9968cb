"""The monitors of a run: ours behind a nats-server, Flower behind a Redis server."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import brokers
from benchmarks.monitors.pages import fetched

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 120.0


@dataclass(frozen=True)
class Running:
    """A monitor that runs.

    Attributes:
        pid: Its process.
        url: Its page.
        up_s: Seconds from its start until it answered.
    """

    pid: int
    url: str
    up_s: float

    def asked(self, path: str) -> Any:
        """Returns what it answers, as JSON."""
        return json.loads(fetched(self.url + path))

    def until(self, path: str, fits: Callable[[Any], bool]) -> Any:
        """Asks until an answer fits, and returns that."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            answer = self.asked(path)
            if fits(answer):
                return answer
            time.sleep(0.5)  # to be asked costs it time, too
        raise SystemExit(f"{self.url}{path} did not become what it should be")


@contextmanager
def ours(bus: str) -> Iterator[Running]:
    """Runs our monitor, killed at the end: what it knows must come from the broker."""
    with brokers.scratch("monitor") as folder:
        port = brokers.free_port()
        command = [sys.executable, "-m", "pepperpy", "--nats", bus, "--log-level", "warning"]
        command += ["monitor", "run", "--port", str(port)]
        with _started(command, folder, port, "/readyz") as running:
            yield running


@contextmanager
def flower(python: Path, redis: str) -> Iterator[Running]:
    """Runs Flower as it comes, but for a limit that all tasks fit in."""
    with brokers.scratch("flower") as folder:
        port = brokers.free_port()
        command = [str(python), "-m", "celery", "--broker", redis, "flower"]
        command += ["--address=127.0.0.1", f"--port={port}", "--max_tasks=100000"]
        with _started(command, folder, port, "/") as running:
            yield running


def flower_python() -> Path | None:
    """Flower's interpreter, in a virtual environment of its own: nothing here needs Celery."""
    venv = ROOT / "build/bench-flower"
    program = venv / "bin/python"
    if not (venv / "bin/celery").exists():
        print("installing Flower into build/bench-flower …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(program), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
        group = f"{ROOT / 'pyproject.toml'}:bench-monitor"
        if subprocess.run([*pip, "install", "--quiet", "--group", group], check=False).returncode:
            print("Flower cannot be installed: it is left out", file=sys.stderr)
            return None
    return program


@contextmanager
def _started(command: list[str], folder: Path, port: int, ready: str) -> Iterator[Running]:
    log = folder / "log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(os.environ), stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(url + ready):
            if process.poll() is not None or time.monotonic() > began + _PATIENCE:
                raise SystemExit(f"{command}: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield Running(process.pid, url, time.monotonic() - began)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
