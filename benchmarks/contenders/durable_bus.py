"""PepperPy's client of durable tasks; its worker is the `pepperpy worker` command."""

import asyncio
import sys
import time

from benchmarks.contenders import roles


async def client(url: str) -> None:
    """Submits tasks of so many steps and waits for their stored results."""
    from pepperpy import connect

    async with connect(url) as bus:

        async def run_many(count: int, in_flight: int, steps: int = 1) -> list[float]:
            left, latencies = count, []
            task = {"data": roles.PAYLOAD, "steps": steps}

            async def submit() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    began = time.perf_counter()
                    assert await bus.run("durable", task) == roles.PAYLOAD
                    latencies.append(time.perf_counter() - began)

            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(submit())
            return latencies

        await roles.answer_orders(run_many)


if __name__ == "__main__":
    roles.run(client(sys.argv[2]))
