"""The broker of a run of tests: a server of its own, or the one that is named; and what is left."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.errors import NotFound

VARIABLE = "PEPPERPY_NATS_URL"
"""Names a broker that runs already, to be used instead."""
_ROOM = 1 << 50
"""Every test reserves 2 GiB for its streams, and none of them is ever full."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Gives the address of a broker while its context is open.

    Args:
        folder: Where a server of its own keeps its files.

    Raises:
        BrokerFailed: There is no nats-server to start.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="pepperpy-tests-") as store:
        options = {"max_file_store": _ROOM, "store_dir": Path(store)}
        with Broker(folder, options=options) as broker:
            yield broker.url


async def sweep(connection: Connection, prefix: str) -> None:
    """Removes the streams and buckets of a test: those of thousands would make a server slow."""
    for config in streams(prefix, Limits()):
        with contextlib.suppress(NotFound):
            await api(connection, f"STREAM.DELETE.{config['name']}")


def _memory() -> str | None:
    """A place in memory, where there is one with room: tests are not about the disk."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 1 << 30
    return str(shared) if roomy and os.access(shared, os.W_OK) else None
