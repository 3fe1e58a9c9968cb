"""Contenders side by side: their processes, and one measured window of tasks."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.brokers import Broker
from benchmarks.measure import SETTLE_SECONDS, cpu_seconds

ROOT = Path(__file__).resolve().parents[1]
ANSWER_SECONDS = 90


@dataclass(frozen=True)
class Contender:
    """Who takes part: a module of `benchmarks.contenders`, its kind and what it needs.

    `worker` replaces the module's own worker role: arguments of the interpreter, where
    `{slots}` stands for how many tasks it may run at once; the broker comes by environment.
    """

    name: str
    module: str
    kind: str
    broker: str = "nats"
    needs: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Names what is not installed, or None when the contender can run."""
        return next((name for name in self.needs if not _has(name)), None)


@dataclass(frozen=True)
class Window:
    """One measured run of tasks; CPU in seconds."""

    tasks: int
    seconds: float
    worker: float
    broker: float
    client: float

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.tasks / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per task over workers, broker and client."""
        return (self.worker + self.broker + self.client) / self.tasks * 1e6


@dataclass
class Entrant:
    """A contender's running processes."""

    contender: Contender
    broker: Broker
    slots: int = 100
    environ: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        self._client = self._spawn("client", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in [self._client, *self.workers]:
            end(process)
        self._log.close()

    @property
    def client_pid(self) -> int:
        """The client's process."""
        return self._client.pid

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Starts one more worker process."""
        self.workers.append(self._spawn("worker", stdout=self._log))
        return self.workers[-1]

    def wait_for_client(self) -> None:
        """Returns once the client is connected."""
        assert self._answer() == {"ready": True}

    def run(self, tasks: int, in_flight: int, *more: int) -> dict[str, Any]:
        """Runs tasks end to end and returns the client's account of it.

        Args:
            tasks: How many.
            in_flight: How many of them at once.
            *more: What else the contender's client wants to know of them.
        """
        assert self._client.stdin is not None
        order = " ".join(map(str, (tasks, in_flight, *more)))
        self._client.stdin.write(f"{order}\n".encode())
        self._client.stdin.flush()
        return self._answer()

    def measure(self, tasks: int, in_flight: int, *more: int) -> Window:
        """Runs tasks and reads the CPU times around them, late acks and events included."""
        before = self._cpu()
        seen = self.run(tasks, in_flight, *more)
        time.sleep(SETTLE_SECONDS)
        worker, broker, client = (b - a for a, b in zip(before, self._cpu(), strict=True))
        return Window(tasks, seen["seconds"], worker, broker, client)

    def _cpu(self) -> tuple[float, float, float]:
        workers = cpu_seconds(each.pid for each in self.workers)
        return workers, cpu_seconds(self.broker.pids), cpu_seconds([self._client.pid])

    def _spawn(self, role: str, **streams: Any) -> subprocess.Popen[bytes]:
        arguments = ["-m", f"benchmarks.contenders.{self.contender.module}", role, self.broker.url]
        if role == "worker" and self.contender.worker:
            arguments = [each.format(slots=self.slots) for each in self.contender.worker]
        environ = {**os.environ, "PEPPERPY_NATS_URL": self.broker.url, **self.environ}
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environ, stderr=self._log, **streams
        )

    def _answer(self) -> dict[str, Any]:
        """Reads the client's next line; a worker that ends meanwhile ends the benchmark."""
        assert self._client.stdout is not None
        deadline = time.monotonic() + ANSWER_SECONDS
        while not select.select([self._client.stdout], [], [], 0.5)[0]:
            if any(each.poll() is not None for each in self.workers):
                raise self._failed("a worker ended")
            if time.monotonic() > deadline:
                raise self._failed(f"the client gave no answer within {ANSWER_SECONDS} s")
        line = self._client.stdout.readline()
        if not line:
            raise self._failed("the client ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self, what: str) -> SystemExit:
        self._log.seek(0)
        said = self._log.read()[-2000:].decode(errors="replace")
        return SystemExit(f"{self.contender.name}: {what}\n{said}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and waits for it; what ignores SIGTERM for 10 s is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _has(name: str) -> bool:
    module, _, attribute = name.partition(":")
    try:
        found = find_spec(module)
        return found is not None and (
            not attribute or hasattr(__import__(module, fromlist=[attribute]), attribute)
        )
    except ImportError:
        return False
