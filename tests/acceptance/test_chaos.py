"""Tasks of four steps, while workers and brokers are killed; `make chaos` runs it long."""

import os
from collections.abc import Callable
from typing import Any

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import Workers, run_chaos
from tests.acceptance.clusters import Cluster

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
