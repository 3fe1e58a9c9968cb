"""The edge with the rights of its role, on a real server: they suffice for all that it offers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pepperpy import Agent, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.config import Settings, load
from pepperpy_monitor_svc.edge.app import application
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.serving import serving
from tests.agents.conftest import wait_until
from tests.monitor_svc.edge.conftest import CRM, Caller
from tests.monitor_svc.edge.test_tasks import frames


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder: Path = tmp_path_factory.mktemp("guarded")
    with Broker(folder, logins=role_logins()) as broker:
        yield broker


def settings_of(broker: Broker, role: str, **edge: str) -> Settings:
    flags = {"nats.url": broker.url_for(role)} | {f"edge.{k}": v for k, v in edge.items()}
    return load(flags=flags, environ={}).settings


@contextlib.asynccontextmanager
async def working(broker: Broker, agent: Agent) -> AsyncIterator[None]:
    async with connect(settings=settings_of(broker, "operator")):
        pass  # makes the streams, which a worker may not
    async with connect(settings=settings_of(broker, "worker")) as own:
        worker = Worker(agent, own, WorkerOptions())
        running = asyncio.create_task(worker.run(), name="worker")
        try:
            await wait_until(lambda: worker.ready or running.done())
            yield
        finally:
            worker.stop()
            await running


async def test_everything_that_is_offered_works_with_the_rights_of_the_edge(
    guarded: Broker,
) -> None:
    agent = Agent("clerk")

    @agent.task("order")
    async def order(n: int, ctx: Context) -> int:
        await ctx.stream("a word")
        await ctx.step("note", lambda: n)
        return n

    @agent.task("ask")
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Well?")

    settings = settings_of(guarded, "edge", token=CRM)
    async with (
        working(guarded, agent),
        connect(settings=settings) as client,
        aiohttp.ClientSession() as http,
    ):
        app = application(client, settings, Tokens(settings.edge))
        async with serving(app, "127.0.0.1", 0, grace=1.0, setting="edge") as port:
            edge = Caller(http, f"http://127.0.0.1:{port}")
            status, _, said = await edge.ask("POST", "/v1/tasks/order?wait=20s", json=7)
            assert (status, said["data"]) == (200, 7)
            told = await frames(edge, f"/v1/tasks/{said['id']}/events")
            assert [name for name, _, _ in told][-1] == "ended"
            assert "token" in {name for name, _, _ in told}

            _, _, keyed = await edge.ask(
                "POST", "/v1/tasks/order?wait=20s", json=8, headers={"Pp-Key": "Ana Müller"}
            )
            assert keyed["data"] == 8
            large = "x" * (1 << 20)
            status, _, said = await edge.ask("POST", "/v1/tasks/order", data=large.encode())
            assert status == 400, "checked against the schema that the worker announced"

            _, _, asked = await edge.ask("POST", "/v1/tasks/ask", json=None)
            async with asyncio.timeout(20):
                while not (await edge.ask("GET", "/v1/questions"))[2]["items"]:
                    await asyncio.sleep(0.05)
            assert (await edge.ask("GET", asked["url"]))[2]["state"] == "input-required"
            path = f"{asked['url']}/answer"
            assert (await edge.ask("POST", path, json={"answer": 3}))[0] == 200
            assert (await edge.ask("GET", f"{asked['url']}?wait=20s"))[2]["data"] == 3

            _, _, asked = await edge.ask("POST", "/v1/tasks/ask", json=None)
            assert (await edge.ask("DELETE", f"{asked['url']}?wait=20s"))[2]["canceled"] is True
            _, _, document = await edge.ask("GET", "/openapi.json")
            assert "/v1/tasks/order" in document["paths"]
