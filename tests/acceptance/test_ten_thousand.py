from collections.abc import Callable
from typing import Any

import pytest

from pepperpy import Client
from pepperpy.stack.broker import Broker

COUNT = 10_000


@pytest.mark.slow
async def test_three_workers_share_ten_thousand_tasks(
    client: Client, broker: Broker, workers: Callable[..., Any], effects: Any, audit: Any
) -> None:
    three = [workers(broker.url, "counting_app.py:agent", ready=False) for _ in range(3)]
    for one in three:
        one.wait_for("worker.ready")
    submitted = await audit.submit(client, "count", range(COUNT))
    await audit.ended(client, COUNT, within=90)
    assert await audit.results(client) == submitted
    assert set(effects.by_task().values()) == {1}
    assert len(effects.by_task()) == COUNT
    shares = effects.by_process()
    print(f"shares of {COUNT}: {sorted(shares.values())}")
    assert set(shares) == {one.pid for one in three}
    for share in shares.values():
        assert abs(share - COUNT / 3) <= 0.2 * COUNT / 3
