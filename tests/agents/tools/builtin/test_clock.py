"""The clock in any zone."""

from datetime import datetime, timedelta

import pytest

from pepperpy_agents.tools.builtin.clock import CLOCK
from pepperpy_bus.units import now
from tests.agents.tools.builtin.calling import Caller


@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "Asia/Kathmandu"])
async def test_it_is_the_same_moment_everywhere(zone: str) -> None:
    call = Caller([CLOCK], [])
    told = await call("clock", zone=zone)
    moment = datetime.fromisoformat(told["time"])
    assert abs(moment - now()) < timedelta(minutes=1)
    assert told["zone"] == zone
    assert told["weekday"] == f"{moment:%A}"


async def test_without_a_zone_it_is_utc() -> None:
    told = await Caller([CLOCK], [])("clock")
    assert told["time"].endswith("+00:00")


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "a\0b", "Europe"]
)
async def test_what_is_no_zone_is_said_to_be_none(zone: str) -> None:
    call = Caller([CLOCK], [])
    assert await call("clock", zone=zone) is None
    assert call.code == "bad_arguments"
