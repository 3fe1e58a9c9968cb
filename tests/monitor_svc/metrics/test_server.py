from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.gauges import families_of
from pepperpy_monitor_svc.metrics.samples import samples_of
from pepperpy_monitor_svc.metrics.server import LARGEST, Server
from pepperpy_schemas.monitor import BrokerFigures


async def test_a_server_tells_its_figures(broker: Broker, prefix: str) -> None:
    server = Server(f"{broker.monitor_url}/")
    async with connect(broker.url, bus__prefix=prefix):
        await server.look()
    assert server.problem == ""
    found = {one.name: one for one in samples_of(families_of(server.readings()))}
    assert found["pepperpy_server_connections"].value >= 1
    assert found["pepperpy_server_connections"].labels == (("server", "pepperpy"),)
    assert found["pepperpy_server_memory_resident_bytes"].value > 1e6
    assert found["pepperpy_server_uptime_seconds"].value > 0
    assert found["pepperpy_server_slow_consumers_total"].value == 0
    assert found["pepperpy_jetstream_limit_bytes"].labels == (("storage", "memory"),)


async def test_what_the_bus_does_not_say_is_added_to_its_figures(broker: Broker) -> None:
    server = Server(broker.monitor_url)
    said = BrokerFigures(connected=True, storage_bytes=7)
    figures = await server.complete(said)
    assert (figures.server, figures.storage_bytes) == ("pepperpy", 7)
    assert figures.version.startswith("2.")
    assert figures.started is not None
    assert (figures.memory_bytes or 0) > 1e6
    # The account has no limit of its own.
    assert (figures.storage_limit or 0) > 1e6
    limited = await server.complete(BrokerFigures(connected=True, storage_limit=99))
    assert limited.storage_limit == 99


async def test_a_server_that_is_away_is_told_and_has_no_figures(
    own_broker: Broker,
) -> None:
    server = Server(own_broker.monitor_url)
    await server.look()
    own_broker.kill()
    said = BrokerFigures(connected=True)
    assert await server.complete(said) == said
    assert "does not answer" in server.problem
    assert list(server.readings()) == []
    assert server.details == {"url": server.url}


@pytest.mark.parametrize(
    "answer", ["no JSON", "[]", '{"server_name": 1}', "x" * (LARGEST + 1)], ids=range(4)
)
async def test_whatever_answers_is_taken_for_no_server_unless_it_is_one(answer: str) -> None:
    async for url in serving(answer):
        server = Server(url)
        await server.look()
        assert "does not answer" in server.problem
        assert list(server.readings()) == []


async def serving(answer: str) -> AsyncIterator[str]:
    application = web.Application()

    async def say(_: web.Request) -> web.Response:
        return web.Response(text=answer)

    application.router.add_get("/{path}", say)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_server_that_finds_itself_ill_says_why() -> None:
    application = web.Application()
    bodies = {
        "varz": '{"server_name":"n1","version":"2.15.1","start":"2026-01-01T00:00:00Z",'
        '"now":"2026-01-01T00:01:00Z","cpu":50}',
        "jsz": "{}",
    }

    async def say(request: web.Request) -> web.Response:
        name = request.match_info["path"]
        if name == "healthz":
            return web.Response(status=503, text='{"status":"unavailable","error":"disk is full"}')
        return web.Response(text=bodies[name])

    application.router.add_get("/{path}", say)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = Server(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await server.look()
    assert server.problem == "disk is full"
    found = {one.metric: one.value for one in server.readings()}
    assert (found[names.SERVER_CPU], found[names.SERVER_UPTIME]) == (0.5, 60)
    await runner.cleanup()
