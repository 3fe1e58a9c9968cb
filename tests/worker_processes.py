"""Workers in processes of their own. Conftests import the fixture `workers`."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class WorkerProcess:
    """`pepperpy worker` in a process of its own, with its log in a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, words: str, count: int = 1, within: float = 20) -> None:
        """Returns when the log has the words that often."""
        end = time.monotonic() + within
        while self.log.count(words) < count:
            assert time.monotonic() < end, f"no {words!r} in the log:\n{self.log}"
            assert self.code is None, f"ended with {self.code}:\n{self.log}"
            time.sleep(0.02)

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def ended(self, within: float = 15) -> int:
        """Returns the exit code."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {within} s:\n{self.log}") from None


Start = Callable[..., WorkerProcess]


@pytest.fixture
def workers(tmp_path: Path, prefix: str) -> Iterator[Start]:
    """Start `workers(url, "app.py:agent", *options, ready=True)` in the test's folder."""
    started: list[WorkerProcess] = []

    def start(
        url: str, *arguments: str, ready: bool = True, env: dict[str, str] | None = None
    ) -> WorkerProcess:
        log = tmp_path / f"worker{len(started)}.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")}
        environment |= {
            "PEPPERPY_NATS_URL": url,
            "PEPPERPY_BUS_PREFIX": prefix,
            "PEPPERPY_LOG_FORMAT": "json",
            **(env or {}),
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "pepperpy", "worker", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=tmp_path,
                env=environment,
            )
        started.append(WorkerProcess(process, log))
        if ready:
            started[-1].wait_for("worker.ready")
        return started[-1]

    yield start
    for one in started:
        if one.code is None:
            one.send(signal.SIGTERM)
    for one in started:
        try:
            one.ended(5)
        except AssertionError:
            one.kill()
