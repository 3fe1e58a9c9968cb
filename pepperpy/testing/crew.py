"""The workers of a test: real ones, in the test's own process and event loop."""

import asyncio
from typing import Any, Final

from pepperpy.testing.passing import Passing
from pepperpy_agents.agent import Agent
from pepperpy_agents.lifecycle import State
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.client import Client

GRACE: Final = 1.0
"""Seconds that tasks may still run when the test has ended."""


class Crew:
    """The workers of one test.

    Args:
        client: What they are connected by.
        passing: The time that they go by.
    """

    def __init__(self, client: Client, passing: Passing) -> None:
        self._client = client
        self._passing = passing
        self._workers: dict[asyncio.Task[None], Worker] = {}

    async def start(self, agent: Agent, *, concurrency: int) -> Worker:
        """Starts a worker, and returns it when it takes tasks.

        Raises:
            PepperError: The agent could not start.
        """
        options = WorkerOptions(concurrency=concurrency, grace=GRACE)
        with self._passing.clocks():
            worker = Worker(agent, self._client, options)
            running = asyncio.create_task(worker.run(), name=f"worker-{agent.name}")
        self._workers[running] = worker
        begun = asyncio.Event()

        async def look(_: State, after: State) -> None:
            if after is State.RUNNING:
                begun.set()

        worker.lifecycle.on_transition(look)
        running.add_done_callback(lambda _: begun.set())
        await begun.wait()
        if running.done():
            del self._workers[running]
            await running
        return worker

    async def stop(self) -> None:
        """Ends all of them; what one failed with is raised."""
        for worker in self._workers.values():
            worker.stop()
        await asyncio.gather(*self._workers)

    @property
    def topics(self) -> list[str]:
        """The topics whose tasks they take."""
        return sorted({one for worker in self._workers.values() for one in worker.agent.tasks})

    def returned(self, topic: object) -> Any:
        """Returns the type that the handler of a topic says it returns; Any where it says none."""
        for worker in self._workers.values():
            if isinstance(topic, str) and topic in worker.agent.tasks:
                return worker.agent.tasks[topic].handler.output
        return Any
