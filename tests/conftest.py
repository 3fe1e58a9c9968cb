import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.topology import Limits, streams

LONG = ("docs", "acceptance", "faults")
"""Folders of tests that run whole pages, or kill processes; the longest first."""


def pytest_configure() -> None:
    """Takes SIGINT, here and in the children: what a script starts in its background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the files of long tests over the first half of the run.

    The processes share the files in this order: a long one at the end would have the others wait
    for it, and two side by side would take each other's time.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = [path for path in files if path.parent.name in LONG or _is_slow(files[path])]
    long.sort(key=lambda path: path.parent.name != LONG[0])
    short = [path for path in files if path not in long]
    every = max(1, len(short) // (2 * len(long) + 1)) if long else 1
    order: list[Path] = []
    for place, path in enumerate(short):
        if place % every == 0 and long:
            order.append(long.pop(0))
        order.append(path)
    items[:] = [item for path in [*order, *long] for item in files[path]]


def _is_slow(items: list[pytest.Item]) -> bool:
    return any(item.get_closest_marker("slow") for item in items)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One open server for all tests; isolate with `prefix`, never kill it.

    Its hundreds of streams lie in memory where the system has a place for that: a disk would be
    busy with syncing them, and these tests are not about the disk.
    """
    # Every prefix reserves 2 GiB for its streams, and none of them is ever full.
    room = {"max_file_store": 1 << 50}
    folder = tmp_path_factory.mktemp("broker")
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="pepperpy-tests-") as store:
        options = {**room, "store_dir": Path(store)}
        with Broker(folder, options=options) as shared:
            yield shared


def _memory() -> str | None:
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 1 << 30
    return str(shared) if roomy and os.access(shared, os.W_OK) else None


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A bus prefix that no other test uses.

    Its streams on the shared server go with the test: those of thousands would make it slow.
    """
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    if "broker" in request.fixturenames:
        _sweep(request.getfixturevalue("broker").url, name)


def _sweep(url: str, prefix: str) -> None:
    address = urlsplit(url)
    named = [config["name"] for config in streams(prefix, Limits())]
    gone = "".join(f"PUB $JS.API.STREAM.DELETE.{name} 0\r\n\r\n" for name in named)
    with socket.create_connection((address.hostname, address.port), 5) as link:
        link.sendall(f'CONNECT {{"verbose":false}}\r\n{gone}PING\r\n'.encode())
        while b"PONG" not in link.recv(65536):
            pass


@pytest.fixture
def broker_factory(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start servers with options of one's own; they end with the test."""
    started: list[Broker] = []

    def start(**options: object) -> Broker:
        folder = tmp_path / f"broker{len(started)}"
        one = Broker(folder, **options)  # type: ignore[arg-type]  # a test's free options
        started.append(one)
        one.start_sync()
        return one

    yield start
    for one in started:
        one.stop_sync()


@pytest.fixture
def own_broker(broker_factory: Callable[..., Broker]) -> Broker:
    """A server that the test may kill and restart."""
    return broker_factory()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what a test logged and UTF-8 cannot hold: reports travel between processes."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report
