"""An instance is what its heartbeats say, and nothing better once they stay away."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.registry import BEAT
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_schemas.monitor import AgentRow, BrokerFigures
from tests.monitor_svc.fleet.told import NOW, Clock, beat, tell


def _one(fleet: Fleet) -> AgentRow:
    [row] = fleet.agents()
    return row


def _heard(at: float = NOW, **said: Any) -> tuple[Fleet, Clock]:
    clock = Clock()
    fleet = Fleet(clock=clock)
    fleet.beat(beat(at, **said), NOW)
    return fleet, clock


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("starting", "starting"),
        ("running", "up"),
        ("paused", "paused"),
        ("stopping", "draining"),
        ("error", "error"),
    ],
)
def test_an_instance_that_beats_is_what_it_says(said: str, shown: str) -> None:
    fleet, clock = _heard(state=said)
    clock.now += BEAT
    assert _one(fleet).state == shown
    assert fleet.overview().agents == {shown: 1}


def test_one_missed_heartbeat_makes_it_stale_three_make_it_lost_and_neither_is_idle() -> None:
    fleet, clock = _heard(in_flight=0)
    assert _one(fleet).idle
    seen = {}
    for tenths in range(200):
        clock.now = NOW + tenths / 10
        row = _one(fleet)
        seen.setdefault(row.state, tenths / 10)
        assert row.idle == (row.state == "up")
    assert seen == {"up": 0, "stale": 1.5 * BEAT, "lost": 3 * BEAT}
    row = _one(fleet)
    assert row.reason == "no heartbeat for 20 s, and no good-bye"
    assert [one.workers for one in fleet.topics()] == []


def test_a_busy_one_is_not_idle_and_says_what_it_has() -> None:
    fleet, _ = _heard(in_flight=1)
    tell(fleet, "task.started", "t1", 1, NOW - 1, instance="clerk/i1")
    row = _one(fleet)
    assert (row.idle, row.tasks, row.slots) == (False, ["t1"], 4)
    tell(fleet, "task.suspended", "t1", 2, NOW - 1, **{"for": "children"})
    assert _one(fleet).tasks == []
    tell(fleet, "task.completed", "t1", 3, NOW, instance="clerk/i1", duration_ms=9.0)
    row = _one(fleet)
    assert (row.tasks, row.latency.count) == ([], 1)
    assert [one.workers for one in fleet.topics()] == [1]


@given(st.floats(-1e8, 1e8))
@settings(deadline=None)
def test_how_wrong_its_clock_is_changes_nothing_but_what_is_said_of_the_clock(skew: float) -> None:
    fleet, clock = _heard(NOW + skew)
    clock.now += 2
    row = _one(fleet)
    assert (row.state, row.beat_s) == ("up", 2.0)
    assert row.skew_s == pytest.approx(skew, abs=1e-3)
    clock.now += 3 * BEAT
    assert _one(fleet).state == "lost"


def test_one_that_says_good_bye_has_stopped_and_one_whose_time_is_over_is_lost() -> None:
    fleet = Fleet(clock=Clock())
    fleet.beat(beat(NOW - 30, instance="left"), NOW - 30)
    fleet.gone("clerk", "left", NOW - 28)
    fleet.beat(beat(NOW - 30, instance="died"), NOW - 30)
    fleet.gone("clerk", "died", NOW - 15)
    tell(fleet, "agent.stopped", "told", 1, NOW - 5, scope="clerk", attempt=0)
    states = {row.instance: row.state for row in fleet.agents()}
    assert states == {"left": "stopped", "died": "lost", "told": "stopped"}


def test_an_agent_that_was_made_is_no_instance() -> None:
    fleet = Fleet(clock=Clock())
    for seq, verb in enumerate(("created", "create_failed", "running"), 1):
        tell(fleet, f"agent.{verb}", f"i{seq}", seq, NOW - 5, scope="clerk", attempt=0)
    assert [row.instance for row in fleet.agents()] == ["i3"]


def test_one_that_beats_again_after_it_was_lost_is_up() -> None:
    fleet, clock = _heard()
    fleet.gone("clerk", "i1", NOW + 15)
    clock.now += 40
    assert _one(fleet).state == "lost"
    fleet.beat(beat(NOW + 40), NOW + 40)
    assert _one(fleet).state == "up"


Seen = tuple[str, float]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["beat", "gone", "running", "stopped"]), st.integers(0, 60)),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[1],
    ),
    st.randoms(use_true_random=False),
)
def test_what_an_instance_is_does_not_depend_on_the_order_of_what_is_heard(
    heard: list[Seen], order: Any
) -> None:
    def told(facts: list[Seen]) -> tuple[str, Any]:
        fleet = Fleet(clock=Clock())
        for seq, (what, age) in enumerate(facts):
            at = NOW - age
            if what == "beat":
                fleet.beat(beat(at, in_flight=int(age)), at)
            elif what == "gone":
                fleet.gone("clerk", "i1", at)
            else:
                tell(fleet, f"agent.{what}", "i1", seq, at, scope="clerk", attempt=0)
        row = _one(fleet)
        return row.state, row.in_flight

    # Whether an instance left or expired shows in the heartbeat before: that is heard in order.
    heard = [one for one in heard if one[0] != "gone"] or [("beat", 3)]
    before = told(heard)
    order.shuffle(heard)
    assert told(heard) == before


def test_while_the_monitor_is_cut_off_nobody_is_called_missing() -> None:
    fleet, clock = _heard()
    fleet.broker(BrokerFigures(connected=False), NOW + 1)
    clock.now += 120
    row = _one(fleet)
    assert row.state == "up"
    assert row.reason == "nobody is heard since 119 s: the broker is away"
    assert not row.idle
    # The others had to find the broker again, too, and their heartbeats come one after the other.
    fleet.broker(BrokerFigures(connected=True), NOW + 120)
    fleet.beat(beat(NOW + 121, instance="i2"), NOW + 121)
    clock.now += 14
    states = {one.instance: (one.state, one.idle, one.reason) for one in fleet.agents()}
    assert states == {
        "i1": ("up", False, "not heard again yet: the broker was away"),
        "i2": ("up", True, ""),
    }
    clock.now += 1
    fleet.broker(BrokerFigures(connected=True), clock.now)
    assert {one.instance: one.state for one in fleet.agents()} == {"i1": "lost", "i2": "stale"}


def test_that_the_monitor_is_cut_off_may_show_late() -> None:
    fleet, clock = _heard()
    fleet.broker(BrokerFigures(connected=True), NOW + 4)
    clock.now += 15
    fleet.broker(BrokerFigures(connected=False), NOW + 15)
    assert _one(fleet).state == "up"


def test_one_that_is_killed_soon_after_it_told_something_is_lost() -> None:
    fleet = Fleet(clock=Clock())
    fleet.beat(beat(NOW - 30), NOW - 30)
    tell(fleet, "agent.running", "i1", 1, NOW - 25.5, scope="clerk", attempt=0)
    fleet.gone("clerk", "i1", NOW - 15)
    assert _one(fleet).state == "lost"


def test_those_that_are_gone_for_long_are_forgotten() -> None:
    fleet, clock = _heard()
    fleet.gone("clerk", "i1", NOW + 1)
    clock.now += 3500
    assert len(fleet.agents()) == 1
    clock.now += 200
    assert fleet.agents() == []


def test_its_load_is_drawn_over_time_with_holes_where_it_was_not_heard() -> None:
    clock = Clock()
    fleet = Fleet(clock=clock)
    for age in (100, 95, 20):
        fleet.beat(beat(NOW - age, cpu_percent=age, rss_bytes=3 << 20), NOW - age)
    tell(fleet, "task.completed", "t", 1, NOW - 20, instance="clerk/i1", duration_ms=40.0)
    lines = {one.name: one for one in fleet.agent_series("clerk", "i1").series}
    assert [one for one in lines["cpu_percent"].values if one is not None] == [95, 20]
    assert [one for one in lines["response_ms"].values if one is not None] == [40]
    assert set(lines) == {
        *("cpu_percent", "rss_bytes", "loop_lag_ms", "in_flight", "response_ms", "done", "failed")
    }
    assert fleet.agent_series("clerk", "other").series == []
