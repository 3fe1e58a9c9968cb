import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Call, Endpoint, Service, call
from pepperpy_monitor_svc.metrics.gauges import families_of
from pepperpy_monitor_svc.metrics.samples import samples_of
from pepperpy_monitor_svc.metrics.services import MOST, Services
from pepperpy_monitor_svc.metrics.totals import Totals
from pepperpy_schemas.errors import HandlerError


class Ask(msgspec.Struct):
    fail: bool = False


@contextlib.asynccontextmanager
async def replica(client: Client, name: str = "weather") -> AsyncIterator[None]:
    async def answer(request: Ask, _: Call) -> Ask:
        if request.fail:
            raise HandlerError("no")
        return request

    endpoints = [Endpoint(op="ask", request=Ask, reply=Ask, handler=answer, doc="Answers.")]
    service = Service(
        client.connection, client.prefix, name, version="1.0.0", description="", endpoints=endpoints
    )
    async with service:
        await client.connection.flush()
        yield


async def ask(client: Client, **request: Any) -> None:
    with contextlib.suppress(HandlerError):
        await call(client.connection, client.prefix, "weather", "ask", Ask(**request), type=Ask)


def found(services: Services, totals: Totals) -> dict[str, float]:
    families = [*totals.families(), *families_of(services.readings())]
    labelled = (one for one in samples_of(families) if ("service", "weather") in one.labels)
    return {
        one.name.removeprefix("pepperpy_service_").removesuffix("_total"): one.value
        for one in labelled
    }


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


async def test_replicas_of_a_service_are_counted_together(client: Client) -> None:
    totals = Totals()
    services = Services(client.connection, client.prefix, totals)
    async with replica(client), replica(client):
        for fail in (False, False, True):
            await ask(client, fail=fail)
        await services.look()
        first = found(services, totals)
        assert (first["replicas"], first["requests"], first["errors"]) == (2, 3, 1)
        assert first["processing_seconds"] > 0
        await services.look()
        assert found(services, totals) == first


async def test_sums_never_fall_when_replicas_go(client: Client) -> None:
    totals = Totals()
    services = Services(client.connection, client.prefix, totals)
    async with replica(client):
        await ask(client)
        await services.look()
    async with replica(client):
        await ask(client)
        await services.look()
        assert found(services, totals)["requests"] == 2
    await services.look()
    assert (found(services, totals)["replicas"], found(services, totals)["requests"]) == (0, 2)


async def test_what_was_done_before_the_monitor_began_is_no_increase(client: Client) -> None:
    async with replica(client):
        await ask(client)
        totals = Totals()
        services = Services(client.connection, client.prefix, totals)
        await services.look()
        assert found(services, totals)["requests"] == 0
        await ask(client)
        await services.look()
        assert found(services, totals)["requests"] == 1


async def test_services_of_others_on_the_same_broker_are_theirs(
    client: Client, broker: Broker
) -> None:
    totals = Totals()
    async with connect(broker.url, bus__prefix=f"{client.prefix}x") as other, replica(other):
        services = Services(client.connection, client.prefix, totals)
        await services.look()
        assert found(services, totals) == {}


async def test_names_of_services_that_are_gone_are_forgotten_some_day(client: Client) -> None:
    services = Services(client.connection, client.prefix, Totals())
    services.replicas.update({f"s{number}": 1 for number in range(5 * MOST)})
    async with replica(client):
        await services.look()
    assert services.replicas["weather"] == 1
    assert services.replicas.total() == 1
    assert len(services.replicas) == MOST + 1
