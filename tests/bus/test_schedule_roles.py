"""Who may schedule, look and steer, asked of a real server with all roles."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.config import Settings, load
from pepperpy_bus.opening import connect
from pepperpy_bus.streams.reading import all_on
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.errors import NotFound, PermissionDenied


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with all roles and the anonymous one."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    logins = role_logins(anonymous=True)
    with Broker(folder, logins=logins, anonymous=ANONYMOUS) as broker:
        yield broker


def settings_of(broker: Broker, role: str) -> Settings:
    url = broker.url if role == ANONYMOUS else broker.url_for(role)
    return load(flags={"nats.url": url}).settings


@pytest.mark.parametrize("role", ["producer", ANONYMOUS, "worker", "operator"])
async def test_who_submits_may_schedule_look_pause_and_remove(guarded: Broker, role: str) -> None:
    async with connect(settings=settings_of(guarded, "operator")) as operator:
        async with connect(settings=settings_of(guarded, role)) as bus:
            await bus.submit("echo", 1, every="1h", id=f"{role}-tick")
            await bus.submit("echo", 2, delay="1h", id=f"{role}-once")
            assert len([one for one in await bus.schedules.all() if one.id.startswith(role)]) == 2
            assert (await bus.schedules.pause(f"{role}-once")).paused
            assert not (await bus.schedules.resume(f"{role}-once")).paused
            for name in ("tick", "once"):
                await bus.schedules.remove(f"{role}-{name}")
                with pytest.raises(NotFound):
                    await bus.schedules.get(f"{role}-{name}")
            await bus.submit("fired", 3, delay=0, id=f"{role}-now")
        fired = TASK.of("pp", topic="fired", id=f"{role}-now")
        async with asyncio.timeout(10):
            while not await all_on(operator.connection, "PP_TASKS", fired):
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("role", ["memory", "provider"])
async def test_services_schedule_nothing_and_see_none(guarded: Broker, role: str) -> None:
    async with connect(settings=settings_of(guarded, role)) as bus:
        with pytest.raises(PermissionDenied):
            await bus.submit("echo", 1, every="1h", id="tick")
        with pytest.raises(PermissionDenied):
            await bus.schedules.all()
