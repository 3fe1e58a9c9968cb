"""A worker process: agents, connection, signals, health checks."""

import asyncio
import contextlib
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Sequence

from pepperpy_agents.agent import Agent
from pepperpy_agents.factory.making import Made
from pepperpy_agents.runner import THREADS
from pepperpy_agents.sharding.assignment import ShardingOptions
from pepperpy_agents.watchdog import watchdog
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure, get_log
from pepperpy_bus.process.health import serve_health
from pepperpy_bus.process.running import connected_client, loop_factory, stop_on_signals
from pepperpy_schemas.errors import Unreachable

log = get_log("pepperpy.worker")

_TOLD_WITHIN = 2.0
"""Seconds that telling of the agents' making may hold up the end."""


def run(agents: Sequence[Agent], reloader: Reloader, *, made: Sequence[Made] = ()) -> None:
    """Runs agents in this process until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads the settings again and applies those that may change while it runs.

    Args:
        agents: The agents.
        reloader: The settings.
        made: How they were made, to be told.

    Raises:
        Unreachable: The broker closed the connection for good.
        PepperError: An agent could not start.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(agents, reloader, made=made))
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        # The interpreter would wait for handlers that were given up after the grace.
        log.warning("worker.threads_given_up")
        logging.shutdown()
        os._exit(0)


async def serve(
    agents: Sequence[Agent],
    reloader: Reloader,
    *,
    stop: asyncio.Event | None = None,
    made: Sequence[Made] = (),
) -> None:
    """Runs agents until the event is set, or a signal arrives; call it in the main thread."""
    stopping = stop or asyncio.Event()
    stop_on_signals(stopping)
    settings = reloader.settings
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(watchdog(settings.worker.max_stall))
        client = await connected_client(stack, settings, stopping)
        if client is None:
            return
        closed = asyncio.Event()
        client.on_close(closed.set)
        workers = [Worker(agent, client, options_from(settings)) for agent in agents]
        reloader.on_change(lambda changed: _apply(changed, workers))
        await stack.enter_async_context(reloader.watching())
        if settings.worker.health_port is not None:
            port = await stack.enter_async_context(
                serve_health(
                    settings.worker.health_host,
                    settings.worker.health_port,
                    live=lambda: not closed.is_set(),
                    ready=lambda: all(worker.ready for worker in workers),
                )
            )
            log.info("worker.health", host=settings.worker.health_host, port=port)
        if made:
            await stack.enter_async_context(_told(client, made))
        await _run_all(workers, stopping, closed)
        if closed.is_set() and not stopping.is_set():
            raise Unreachable("the broker closed the connection for good")


@contextlib.asynccontextmanager
async def _told(client: Client, made: Sequence[Made]) -> AsyncIterator[None]:
    """Tells how the agents were made, beside their start."""
    from pepperpy_agents.factory.telling import tell_made

    telling = asyncio.create_task(tell_made(client, made), name="tell-made")
    try:
        yield
    finally:
        # What a process that ends at once has begun to tell is told.
        await asyncio.wait([telling], timeout=_TOLD_WITHIN)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def options_from(settings: Settings) -> WorkerOptions:
    """Returns how a worker works, as the settings say."""
    shards = settings.shards
    return WorkerOptions(
        concurrency=settings.worker.concurrency,
        grace=settings.worker.grace,
        sharding=ShardingOptions(
            capacity=shards.capacity,
            min_free_capacity=shards.min_free_capacity,
            rebalance_threshold=shards.rebalance_threshold,
            heartbeat_interval=shards.heartbeat_interval,
        ),
    )


def _apply(settings: Settings, workers: Sequence[Worker]) -> None:
    configure(settings.log.level, settings.log.format)
    for worker in workers:
        worker.change(options_from(settings))


async def _run_all(
    workers: Sequence[Worker], stopping: asyncio.Event, closed: asyncio.Event
) -> None:
    # Start-up garbage never becomes garbage again: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    running = [
        asyncio.create_task(worker.run(), name=f"worker-{worker.agent.name}") for worker in workers
    ]
    waits = [
        asyncio.create_task(stopping.wait(), name="wait-stop"),
        asyncio.create_task(closed.wait(), name="wait-closed"),
    ]
    try:
        left = set(running)
        while left and not any(task.done() for task in waits):
            # A drained agent leaves the others of the process at work; a failed one does not.
            ended, _ = await asyncio.wait({*left, *waits}, return_when=asyncio.FIRST_COMPLETED)
            left -= ended
            if any(task.exception() is not None for task in ended):
                break
        for worker in workers:
            worker.stop()
        # All of them: the error of one must not cut the others' drain short.
        await asyncio.wait(running)
        await asyncio.gather(*running)
    finally:
        for task in (*running, *waits):
            task.cancel()
        await asyncio.gather(*running, *waits, return_exceptions=True)
