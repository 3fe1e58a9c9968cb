"""A deployment with a dashboard: a broker, workers and the monitor, as they are deployed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pepperpy import connect_sync
from pepperpy.stack.broker import Broker
from pepperpy_bus.sync import SyncClient

TOKEN = "what-only-operators-know"
SHOP = Path(__file__).parent / "shop.py"


class Deployment:
    """What runs, and how to reach it.

    Attributes:
        broker: The broker.
        bus: A client.
        url: Where the dashboard is.
        tasks: Ids of tasks, by what is special about them.
    """

    def __init__(self, broker: Broker, bus: SyncClient, folder: Path) -> None:
        self.broker = broker
        self.bus = bus
        self.url = ""
        self.tasks: dict[str, str] = {}
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.monitor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Deployment":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def start(self, name: str, *command: str, ready: str, **environment: str) -> str:
        """Starts a process that ends with the deployment; returns its log when it is ready."""
        process, log = self._spawn(name, command, environment)
        self._stack.callback(_end, process)
        return _log_with(log, ready, process)

    def start_monitor(self, port: int = 0) -> None:
        """Starts the monitor, and notes where its dashboard is."""
        port = port or free_port()
        command = ("monitor", "run", "--port", str(port))
        process, log = self._spawn(
            f"monitor-{time.monotonic_ns()}",
            command,
            {
                "PEPPERPY_MONITOR_TOKEN": TOKEN,
                "PEPPERPY_MONITOR_ACTING_USER": "operator",
                "PEPPERPY_MONITOR_ACTING_PASSWORD": "unused: this broker asks nobody",
            },
        )
        self._stack.callback(_end, process)
        self.monitor = process
        _log_with(log, "monitor.complete", process)
        self.url = f"http://127.0.0.1:{port}"

    def stop_monitor(self) -> int:
        """Ends the monitor; returns its port."""
        assert self.monitor is not None
        _end(self.monitor)
        return int(self.url.rpartition(":")[2])

    def _spawn(
        self, name: str, command: tuple[str, ...], environment: dict[str, str]
    ) -> tuple["subprocess.Popen[bytes]", Path]:
        log = self._folder / f"{name}.log"
        own = {key: value for key, value in os.environ.items() if not key.startswith("PEPPERPY_")}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "pepperpy", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._folder,
                env=own
                | {"PEPPERPY_NATS_URL": self.broker.url, "PEPPERPY_LOG_FORMAT": "json"}
                | environment,
            )
        return process, log


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Runs a broker, the agents of the shop and a monitor while its context is open."""
    with (
        Broker(folder / "broker") as broker,
        connect_sync(broker.url, source="shop") as bus,
        Deployment(broker, bus, folder) as deployment,
    ):
        for agent in ("clerk", "courier"):
            deployment.start(agent, "worker", f"{SHOP}:{agent}", ready="worker.ready")
        deployment.start_monitor()
        yield deployment


def eventually(check: Callable[[], Any], within: float = 30.0) -> Any:
    """Returns what a check returns as soon as that is something.

    Raises:
        AssertionError: It was nothing until the end.
    """
    end = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.05)


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process; the second signal has a worker leave its tasks."""
    process.send_signal(signal.SIGCONT)
    for _ in range(2):
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
            return
    process.kill()
    process.wait()


def _log_with(log: Path, words: str, process: "subprocess.Popen[bytes]") -> str:
    def said() -> str:
        text = log.read_text(errors="replace")
        assert process.poll() is None, f"ended with {process.returncode}:\n{text}"
        return text if words in text else ""

    return str(eventually(said, 30))


def lines(log: str) -> list[dict[str, Any]]:
    """Returns the lines of a JSON log."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
