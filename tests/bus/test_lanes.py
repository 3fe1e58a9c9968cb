"""What a task of a version's lane says of itself, also when somebody has forged it."""

from typing import Any

import pytest

from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.lanes import as_queued, is_of_version
from pepperpy_schemas.headers import QUEUED

NOW = 1_764_000_000_000_000_000


def delivered(queued: str, subject: str = "pp.task.triage-v1_1_0.t1", **fields: Any) -> Delivery:
    headers = {QUEUED.lower(): queued, "pp-source": "ana"}
    known: dict[str, Any] = {"deliveries": 2, "seq": 50, "time_ns": NOW, **fields}
    return Delivery(
        Message(subject, b"1", headers, "r"),
        "PP_TASKS",
        "w_triage-v1_1_0",
        consumer_seq=1,
        pending=0,
        connection=None,  # type: ignore[arg-type]  # nothing is settled here
        **known,
    )


def test_what_was_moved_has_the_time_and_the_deliveries_that_it_has_in_all() -> None:
    task = as_queued(delivered(f"7;{NOW - 5};3"))
    assert (task.time_ns, task.deliveries, task.seq) == (NOW - 5, 5, 50)
    assert task.headers == {"pp-source": "ana"}


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "7",
        f"7;{NOW}",
        f"51;{NOW};0",
        f"7;{NOW + 1};0",
        f"7;{NOW};999999",
        "7;-1;0",
        "a;b;c",
        f"7;{'9' * 40};0",
        f"7;{NOW};0;1",
        f"\u0667;{NOW};0",
    ],
)
def test_what_cannot_be_is_not_believed(forged: str) -> None:
    task = as_queued(delivered(forged))
    assert (task.time_ns, task.deliveries) == (NOW, 2)


@pytest.mark.parametrize(
    "subject", ["pp.task.triage.t1", "pp.task.triage-hi.t1", "pp.task.triage-v1_1_0", "pp.x"]
)
def test_outside_of_a_lane_the_header_says_nothing(subject: str) -> None:
    given = delivered(f"7;{NOW - 5};3", subject)
    assert as_queued(given) is given


def test_the_lane_of_a_version_is_told_from_a_topic() -> None:
    lanes = ("triage-v1_1_0", "triage-v1_1_0-hi", "triage-vx0123456789ab")
    assert all(map(is_of_version, lanes))
    assert not any(map(is_of_version, ("triage", "triage-hi", "triage-v1")))
