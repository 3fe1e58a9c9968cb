"""PepperPy through its public face: `pepperpy worker` and `connect().run()`."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.contenders import roles

AGENT = Path(__file__).with_name("pepperpy_agent.py")


@asynccontextmanager
async def client(url: str) -> AsyncIterator[roles.RunOne]:
    """Submits a task and waits for its stored result."""
    from pepperpy import connect  # noqa: PLC0415

    topic = os.environ.get("PEPPERPY_BENCH_TOPIC", "noop")
    async with connect(url) as bus:

        async def run_one() -> None:
            assert await bus.run(topic, roles.PAYLOAD) == roles.PAYLOAD

        yield run_one


def worker_command(slots: int) -> list[str]:
    """Returns the command line of a worker with that many slots."""
    return [sys.executable, "-m", "pepperpy", "worker", f"{AGENT}:agent", "-c", str(slots)]


def _become_worker(url: str) -> None:
    slots = int(os.environ.get("PEPPERPY_BENCH_SLOTS", roles.IN_FLIGHT))
    os.environ["PEPPERPY_NATS_URL"] = url
    command = worker_command(slots)
    os.execv(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        _become_worker(sys.argv[2])
    roles.run(roles.obey(client(sys.argv[2])))
