"""Percentiles, rates and charts, beside the same reckoned the long way."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.fleet.durations import ERROR, SMALLEST_MS, Timings, Window, bin_of
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.fleet.rings import Ring
from pepperpy_schemas.monitor import TaskQuery
from tests.monitor_svc.fleet.told import NOW, Clock, letter_body, result_body, tell

durations = st.floats(SMALLEST_MS, 24 * 3600e3)
ages = st.floats(0, 7200)


def _share(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@given(st.lists(durations, min_size=1, max_size=200))
def test_percentiles_are_off_by_no_more_than_is_said(values: list[float]) -> None:
    timings = Timings()
    for ms in values:
        timings.add(NOW, bin_of(ms))
    found = timings.windows(NOW).m1
    assert found.count == len(values)
    for told, share in ((found.p50_ms, 0.5), (found.p95_ms, 0.95), (found.p99_ms, 0.99)):
        assert told is not None
        assert told == pytest.approx(_share(values, share), rel=ERROR + 1e-3, abs=1e-3)


@settings(deadline=None)
@given(st.lists(st.tuples(ages, durations), max_size=60))
def test_a_window_has_what_happened_in_it_in_whatever_order_it_is_told(
    told: list[tuple[float, float]],
) -> None:
    timings = Timings()
    for age, ms in told:
        timings.add(NOW - age, bin_of(ms))
    found = timings.windows(NOW)
    for latency, part, parts in ((found.m1, 10, 6), (found.m5, 30, 10), (found.h1, 300, 12)):
        first = (NOW // part - parts + 1) * part
        inside = [ms for age, ms in told if NOW - age >= first]
        assert latency.count == len(inside)


def test_a_window_forgets_and_keeps_no_room_for_what_is_gone() -> None:
    window = Window(10, 6)
    window.add(NOW, bin_of(5.0))
    assert window.latency(NOW).count == 1
    assert window.latency(NOW + 59).count == 1
    assert window.latency(NOW + 60).count == 0
    assert window._counts is None
    assert not window._parts


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 9)), max_size=40))
def test_a_ring_has_the_sums_of_its_steps_in_whatever_order_they_are_told(
    told: list[tuple[int, int]],
) -> None:
    ring = Ring(10, 30)
    for age, amount in told:
        ring.add(NOW - age, amount)
    line = ring.series(NOW, "x", "1")
    first = line.start.timestamp()
    assert first == (NOW // 10 - 29) * 10
    for n, value in enumerate(line.values):
        start = first + 10 * n
        assert value == sum(amount for age, amount in told if start <= NOW - age < start + 10)
    assert ring.total(NOW, 300) == sum(one or 0 for one in line.values)


def test_what_is_told_before_its_time_is_shown_when_that_comes() -> None:
    ring = Ring(10, 3)
    ring.add(NOW, 1)
    ring.add(NOW + 10, 5)
    assert ring.series(NOW, "x", "1").values == [0, 0, 1]
    assert ring.series(NOW + 10, "x", "1").values == [0, 1, 5]
    assert ring.series(NOW + 30, "x", "1").values == [5, 0, 0]
    assert ring.series(NOW + 99, "x", "1").values == [0, 0, 0]


def test_rates_and_the_share_of_errors_are_those_of_their_windows() -> None:
    clock = Clock()
    fleet = Fleet(clock=clock)
    for n in range(120):
        at = NOW - 240 + 2 * n
        tell(fleet, "task.started", f"t{n}", 2 * n, at)
        verb, code = ("failed", "boom") if n < 30 else ("completed", "")
        tell(fleet, f"task.{verb}", f"t{n}", 2 * n + 1, at, duration_ms=20.0, code=code)
    found = fleet.overview()
    assert found.rates["completed"] == pytest.approx(0.5, rel=0.15)
    assert found.rates["failed"] == 0
    assert found.error_ratio == {"m1": 0.0, "m5": 0.25, "h1": 0.25}
    [topic] = fleet.topics()
    assert topic.error_ratio == 0.25
    assert topic.latency.h1.p50_ms == pytest.approx(20.0, rel=ERROR)
    assert topic.states == {"failed": 30, "completed": 90}
    clock.now += 600
    found = fleet.overview()
    assert found.rates["completed"] == 0
    assert found.error_ratio == {"m1": None, "m5": None, "h1": 0.25}


def test_history_is_drawn_where_it_belongs() -> None:
    fleet = Fleet(clock=Clock())
    for n, age in enumerate((1800, 90_000)):
        tell(fleet, "task.completed", f"t{n}", n, NOW - age, duration_ms=7.0)
    charts = {one.name: one for one in fleet.overview().charts}
    completed = charts["completed"]
    assert sum(one or 0 for one in completed.values) * completed.step_s == pytest.approx(
        1, rel=1e-3
    )
    place = (NOW - 1800 - completed.start.timestamp()) // completed.step_s
    assert completed.values[int(place)]
    assert [one for one in charts["p50"].values if one] == [pytest.approx(7.0, rel=ERROR)]


_FACTS = st.tuples(
    st.sampled_from(("submitted", "started", "completed", "failed", "result", "letter")),
    st.sampled_from(("orders", "mail")),
    st.integers(0, 400),
)


@given(st.lists(_FACTS, max_size=400), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_sums_of_a_topic_are_what_its_tasks_add_up_to(
    facts: list[tuple[str, str, int]], crowded: bool
) -> None:
    fleet = Fleet(limit_bytes=1 << (17 if crowded else 25), clock=Clock())
    for seq, (fact, topic, number) in enumerate(facts, 1):
        task_id, at = f"{topic}-{number}", NOW - 1000 + seq
        match fact:
            case "submitted":
                fleet.submitted(topic, task_id, at, {})
            case "result":
                fleet.result(task_id, result_body("boom" if number % 2 else ""), seq, at)
            case "letter":
                fleet.letter(topic, task_id, letter_body(task_id, topic, "boom"), seq, at)
            case verb:
                tell(fleet, f"task.{verb}", task_id, seq, at, scope=topic)
    found = fleet.tasks(TaskQuery(limit=1000)).items
    for row in fleet.topics():
        mine = [one for one in found if one.topic == row.topic]
        assert row.states == Counter(one.state for one in mine)
        assert row.letters == sum(one.letter for one in mine)
