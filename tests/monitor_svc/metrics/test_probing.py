import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Client
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_monitor_svc.metrics.probing import Found, Probes
from pepperpy_monitor_svc.monitor import Monitor
from pepperpy_schemas.errors import PermissionDenied, Unavailable
from pepperpy_schemas.memory_requests import Entries, GetRequest
from pepperpy_schemas.provider import ProviderStatus, TargetStatus, TenantRequest
from tests.monitor_svc.metrics.conftest import Watching

Eventually = Callable[..., Awaitable[Any]]


@contextlib.asynccontextmanager
async def offering(client: Client, name: str, endpoint: Endpoint) -> AsyncIterator[None]:
    service = Service(
        client.connection,
        client.prefix,
        name,
        version="1.0.0",
        description="",
        endpoints=[endpoint],
    )
    async with service:
        await client.connection.flush()
        yield


def memory(error: Exception | None = None) -> Endpoint:
    async def get(_request: GetRequest, _call: Call) -> Entries:
        if error is not None:
            raise error
        return Entries([])

    return Endpoint(op="get", request=GetRequest, reply=Entries, handler=get, doc="Shows.")


def provider(*targets: TargetStatus) -> Endpoint:
    async def status(_request: TenantRequest, _call: Call) -> ProviderStatus:
        return ProviderStatus(replica="p1", targets=list(targets))

    return Endpoint(
        op="status", request=TenantRequest, reply=ProviderStatus, handler=status, doc="Shows."
    )


async def look(client: Client) -> dict[str, Found]:
    probes = Probes(client.connection, client.prefix)
    await probes.look()
    return {str(name): one for name, one in probes.found.items()}


async def test_what_nobody_offers_is_unknown_and_not_down(client: Client) -> None:
    assert await look(client) == {"provider": Found(), "memory": Found()}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "ok"),
        (PermissionDenied("not for the monitor"), "ok"),
        (Unavailable("the database is away"), "down"),
    ],
)
async def test_a_memory_is_well_when_it_has_looked(
    client: Client, error: Exception | None, status: str
) -> None:
    async with offering(client, "memory", memory(error)):
        found = (await look(client))["memory"]
    assert found.status == status
    assert ("the database is away" in found.reason) == (status == "down")


OPEN = TargetStatus(target="a/one", key="k1", breaker="open", reason="upstream_failed")


@pytest.mark.parametrize(
    ("targets", "status"),
    [
        ((), "ok"),
        ((OPEN, TargetStatus(target="a/one", key="k2")), "ok"),
        ((OPEN, TargetStatus(target="a/two", key="k1")), "degraded"),
        ((OPEN,), "down"),
    ],
)
async def test_a_provider_is_as_well_as_its_models(
    client: Client, targets: tuple[TargetStatus, ...], status: str
) -> None:
    async with offering(client, "provider", provider(*targets)):
        found = (await look(client))["provider"]
    assert found.status == status
    assert ("a/one (upstream_failed)" in found.reason) == (status != "ok")


async def test_how_the_parts_are_is_known_to_the_fleet_and_a_metric(
    client: Client, watching: Watching, eventually: Eventually
) -> None:
    ill = memory(Unavailable("the database is away"))
    async with offering(client, "memory", ill), watching() as monitor:
        await eventually(lambda: statuses(monitor).get("memory") == "down", within=30)
        families = {one.metric.name: one for one in monitor.meters.families()}
        up = {one.labels: one.value for one in families["pepperpy.component.up"].points}
        assert up[("memory",)] == 0
        assert up[("broker",)] == 1
        assert ("provider",) not in up


def statuses(monitor: Monitor) -> dict[str, str]:
    return {one.name: one.status for one in monitor.fleet.components()}
