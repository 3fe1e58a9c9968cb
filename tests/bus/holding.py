"""A process of its own that holds a share of a resource until it is told that it is lost."""

import asyncio
import sys

from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.state.resources import Resources
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import LeaseLost


async def main(url: str, prefix: str) -> None:
    async with open_connection(ConnectionOptions(servers=(url,))) as connection:
        resources = Resources(Cells(connection, prefix), ServerClock(connection, prefix))
        said = ""
        try:
            async with resources.acquire("gpu", ttl="1s") as lease:
                print(lease.token, flush=True)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    said = "CancelledError"
                    raise
        except LeaseLost as error:
            print(said, type(error).__name__, error.code, flush=True)


asyncio.run(main(*sys.argv[1:]))
