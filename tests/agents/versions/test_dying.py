"""A version whose only process is killed: others do what it had, and what waited for it."""

import asyncio
import signal
from functools import partial
from pathlib import Path
from typing import Any

from pepperpy import Agent, Client, Context
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.provision import set_consumer
from pepperpy_bus.streams.topology import SECOND
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import version_lane
from tests.agents.conftest import Working, wait_until
from tests.worker_processes import Start

APP = """
import asyncio
from pepperpy import Agent, Context

agent = Agent("support", version="1.1.0")

@agent.task("triage")
async def triage(_: int, ctx: Context) -> list:
    print("has", ctx.task_id, flush=True)
    await ctx.step("began", lambda: "1.1.0")
    await asyncio.sleep(600)
"""


async def test_no_task_is_lost_when_a_version_is_killed(
    client: Client, working: Working, workers: Start, broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    old = Agent("support", version="1.0.0")

    @old.task("triage")
    async def triage(_: int, ctx: Context) -> list[Any]:
        return [await ctx.step("began", lambda: "1.0.0"), "1.0.0", ctx.attempt]

    # What a dead worker had in hand is delivered again after 2 s, not 30.
    stream = stream_name(client.prefix, "TASKS")
    async with working(old) as one:
        for lane in ("triage", version_lane("triage", "1.1.0")):
            config = {**task_consumer(client.prefix, lane), "ack_wait": 2 * SECOND}
            await set_consumer(client.connection, stream, config)
        new = workers(broker.url, "app.py:agent", "-c", "3")
        await asyncio.to_thread(new.wait_for, "worker.ready")
        await client.splits.put("triage", {"1.0.0": 50, "1.1.0": 50})
        await wait_until(lambda: len(one.beside.weights("triage")) == 2)
        ids = [await client.submit("triage", n, id=f"t{n}") for n in range(60)]
        await asyncio.to_thread(partial(new.wait_for, "has t", 3))
        new.send(signal.SIGKILL)
        await asyncio.to_thread(new.ended)
        done = await asyncio.gather(*(client.result(each, wait=60) for each in ids))
    assert len(done) == 60
    assert {version for _, version, _ in done} == {"1.0.0"}
    # Three were begun there: their finished step counts, and is not done again.
    assert [attempt for began, _, attempt in done if began == "1.1.0"] == [2, 2, 2]
