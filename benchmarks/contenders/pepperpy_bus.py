"""PepperPy's client through its public face; its worker is the `pepperpy worker` command."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.contenders import roles


@asynccontextmanager
async def client(url: str) -> AsyncIterator[roles.RunOne]:
    """Submits a task and waits for its stored result."""
    from pepperpy import connect

    topic = os.environ.get("PEPPERPY_BENCH_TOPIC", "noop")
    async with connect(url) as bus:

        async def run_one() -> None:
            assert await bus.run(topic, roles.PAYLOAD) == roles.PAYLOAD

        yield run_one


if __name__ == "__main__":
    roles.run(roles.obey(client(sys.argv[2])))
