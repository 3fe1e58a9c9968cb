"""A process of its own that spends 3 tokens at a time; says how many it has spent."""

import asyncio
import sys

from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.state.budget import Budgets
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.errors import BudgetExceeded


async def main(url: str, prefix: str, header: str) -> None:
    async with open_connection(ConnectionOptions(servers=(url,))) as connection:
        budgets = Budgets(Cells(connection, prefix), ServerClock(connection, prefix))
        budget = budgets.of("t1", header)
        spent = 0
        while spent < 150:
            try:
                async with budget.spend(tokens=3):
                    spent += 3
            except BudgetExceeded:
                break
        print(spent, flush=True)


asyncio.run(main(*sys.argv[1:]))
