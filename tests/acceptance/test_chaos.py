"""Tasks of four steps, while workers and brokers are killed; `make chaos` runs it long."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import Workers, run_chaos

TASKS = int(os.environ.get("CHAOS_TASKS", "5000"))
CLUSTER_TASKS = int(os.environ.get("CHAOS_TASKS", "1000"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))
WITHIN = 120 + TASKS / 20


async def test_no_task_and_no_step_is_lost_or_done_again(
    own_broker: Broker, prefix: str, chains: Callable[..., Workers]
) -> None:
    async def kill_broker() -> None:
        own_broker.kill()
        await own_broker.start()

    async with connect(own_broker.url, bus__prefix=prefix, patient=True) as client:
        report = await run_chaos(
            client,
            chains(own_broker.url, 3),
            tasks=TASKS,
            kill_every=1.0,
            broker_kills=3,
            kill_broker=kill_broker,
            seed=SEED,
            within=WITHIN,
        )
    print(report, f"seed {SEED}")
    assert report.worker_kills >= TASKS // 1000


# --- three nodes ----------------------------------------------------------------------------------


class Cluster:
    """Three servers on loopback."""

    def __init__(self, brokers: dict[str, Broker]) -> None:
        self._brokers = brokers

    @property
    def url(self) -> str:
        return ",".join(one.url for one in self._brokers.values())

    async def kill_leader(self, client: Client, stream: str) -> None:
        """Kills the server that leads a stream, and starts it again."""
        leader = ""
        while not leader:
            try:
                info = await api(client.connection, f"STREAM.INFO.{stream}")
                leader = info["cluster"].get("leader", "")
            except PepperError:
                await asyncio.sleep(0.2)
        self._brokers[leader].kill()
        await asyncio.sleep(1.0)
        await self._brokers[leader].start()


@pytest.fixture
def cluster(broker_factory: Callable[..., Broker]) -> Cluster:
    ports = [_free_port() for _ in range(3)]
    brokers = {}
    for n, port in enumerate(ports):
        options: dict[str, Any] = {
            "server_name": f"node{n}",
            "cluster_port": port,
            "routes": tuple(ports),
        }
        brokers[f"node{n}"] = broker_factory(options=options)
    return Cluster(brokers)


async def test_no_task_and_no_step_is_lost_when_the_leader_of_a_cluster_dies(
    cluster: Cluster, prefix: str, chains: Callable[..., Workers]
) -> None:
    async with _replicated(cluster.url, prefix) as client:
        report = await run_chaos(
            client,
            chains(cluster.url, 3),
            tasks=CLUSTER_TASKS,
            kill_every=2.0,
            broker_kills=2,
            kill_broker=lambda: cluster.kill_leader(client, stream_name(prefix, "TASKS")),
            seed=SEED,
            within=WITHIN,
        )
    print(report, f"seed {SEED}")


def _replicated(url: str, prefix: str) -> Any:
    return connect(url, bus__prefix=prefix, bus__replicas=3, patient=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
