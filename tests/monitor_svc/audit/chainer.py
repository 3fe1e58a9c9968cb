"""Chains acts in a process of its own, to be killed: ``chainer.py URL PREFIX``."""

import asyncio
import sys

from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.audit.chaining import Chaining


async def main(url: str, prefix: str) -> None:
    async with connect(url, bus__prefix=prefix) as client:
        while True:
            await Chaining(client).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
