"""What is kept stays within its bytes, whatever comes."""

import gc
import random
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_monitor_svc.fleet.roster import Names, Roster
from pepperpy_schemas.messages import Event
from pepperpy_schemas.monitor import TaskQuery
from tests.monitor_svc.fleet.told import NOW, Clock, beat, event_body, result_body, tell

MIB = 1 << 20
_FIELDS = """
    instance duration_ms queued_ms code message error usage attempts usd ms first_ms target text
    deadline failures fraction for question children source
"""


def _ended(fleet: Fleet, count: int, *, first: int = 0, code: str = "") -> None:
    for n in range(first, first + count):
        task_id = f"ruQ45HetGKXfvjkW{n:06x}"
        at = NOW - 10 + n * 1e-6
        values: dict[str, Any] = {
            "instance": f"clerk/{n % 5}",
            "queued_ms": n + 0.5,
            "source": "shop",
        }
        tell(fleet, "task.started", task_id, 3 * n, at, **values)
        body = result_body(code, f"no parcel {n} in the yard" if code else "")
        fleet.result(task_id, body, n, at)
        verb = "failed" if code else "completed"
        tell(fleet, f"task.{verb}", task_id, 3 * n + 1, at, instance="clerk/1", duration_ms=n + 0.1)


@pytest.mark.parametrize("code", ["", "boom"])
def test_a_task_that_has_ended_takes_less_than_a_kilobyte_and_no_more_than_is_reckoned(
    code: str,
) -> None:
    count = 3000
    _ended(Fleet(clock=Clock()), 100, code=code)
    gc.collect()
    tracemalloc.start()
    try:
        fleet = Fleet(clock=Clock())
        _ended(fleet, 1, first=10**6, code=code)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        _ended(fleet, count, code=code)
        gc.collect()
        kept = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    reckoned = fleet._parts.tasks.bytes / (count + 1)
    assert kept < 1024
    assert 0.6 * reckoned < kept < 1.05 * reckoned


def test_when_the_room_is_full_successes_go_long_before_failures() -> None:
    fleet = Fleet(limit_bytes=3 * MIB, clock=Clock())
    _ended(fleet, 200, code="boom")
    _ended(fleet, 12_000, first=1000)
    counts = fleet.counters()
    assert counts.failures == 200
    assert counts.evicted > 8000
    assert counts.evicted_failures == 0
    assert fleet.task(f"ruQ45HetGKXfvjkW{12_999:06x}") is not None
    assert fleet._parts.tasks.bytes <= 2 * MIB


def test_a_flood_of_failures_drives_out_itself_and_leaves_successes_their_share() -> None:
    fleet = Fleet(limit_bytes=3 * MIB, clock=Clock())
    _ended(fleet, 500)
    _ended(fleet, 9000, first=1000, code="boom")
    counts = fleet.counters()
    assert counts.evicted_failures == counts.evicted > 0
    assert counts.ended - counts.failures == 500
    assert fleet._parts.tasks.bytes <= 2 * MIB


def test_tasks_that_each_have_a_topic_of_their_own_make_room_for_more() -> None:
    fleet = Fleet(limit_bytes=23 << 10, clock=Clock())
    for n in range(400):
        verb = "completed" if n % 2 else "failed"
        tell(fleet, f"task.{verb}", f"t{n}", n, NOW - 5, scope=f"topic{n}")
        assert fleet.task(f"t{n}") is not None
    tasks = fleet._parts.tasks
    assert tasks.bytes <= tasks._limit


def test_tasks_that_never_end_cannot_fill_the_room_either() -> None:
    fleet = Fleet(limit_bytes=3 * MIB, clock=Clock())
    for n in range(6000):
        tell(fleet, "task.input_required", f"t{n}", n, NOW - 5, question=1, text="x" * 10_000)
    counts = fleet.counters()
    assert counts.evicted_open > 0
    assert counts.tasks + counts.evicted_open == 6000
    assert fleet._parts.tasks.bytes <= 2 * MIB
    assert sum(fleet.overview().states.values()) == counts.tasks


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["completed", "failed", "started"]), max_size=60), st.data())
def test_sums_fit_what_is_kept_after_anything_had_to_go(
    verbs: list[str], data: st.DataObject
) -> None:
    fleet = Fleet(limit_bytes=24 << 10, clock=Clock())
    for seq, verb in enumerate(verbs):
        parent = data.draw(st.sampled_from(["", "t1", "t2"]))
        tell(fleet, f"task.{verb}", f"t{seq // 2}", seq, NOW - 5, cause=parent, root=parent)
    tasks = fleet._parts.tasks
    records = list(tasks)
    assert tasks.bytes <= tasks._limit
    shelves = (tasks.open, tasks.done, tasks.failed)
    assert sum(one.bytes for one in shelves) == sum(one.cost for one in records)
    assert sum(sums.states.total() for sums in tasks.topics.values()) == len(records)
    states = fleet.overview().states
    assert sum(states.values()) == len(records) == len(tasks)
    for state, count in states.items():
        assert count == sum(one.state == state for one in records)
    for parent in ("t1", "t2"):
        assert tasks.children(parent) == sum(one.parent == parent for one in records)


def test_a_failure_that_turns_out_as_another_keeps_its_turn_to_go() -> None:
    fleet = Fleet(clock=Clock())
    for n, task_id in enumerate(("first", "second")):
        tell(fleet, "task.failed", task_id, n, NOW, code="boom")
    fleet.result("first", result_body("rejected", "no"), 1, NOW)
    assert list(fleet._parts.tasks.failed.tasks) == ["first", "second"]
    assert fleet._parts.tasks.states["rejected"] == 1


def test_names_without_end_do_not_make_it_grow() -> None:
    rng = random.Random(7)

    def name(kind: str) -> str:
        return f"{kind}-{rng.getrandbits(200):x}"[:64]

    def flood(fleet: Fleet, count: int, first: int) -> None:
        for n in range(first, first + count):
            at = NOW - 10 + n * 1e-6
            values: dict[str, Any] = {"instance": f"{name('a')}/{name('i')}", "source": name("s")}
            tell(fleet, "task.started", name("t"), 5 * n, at, scope=name("topic"), **values)
            error: dict[str, Any] = {"code": name("code"), "message": f"{name('word')} is wrong"}
            tell(fleet, "task.failed", name("t"), 5 * n + 1, at, scope=name("topic"), **error)
            data: dict[str, Any] = {
                "target": f"{name('p')}/{name('m')}",
                "tenant": name("x"),
                "code": name("c"),
            }
            tell(fleet, "llm.failed", name("r"), 5 * n + 2, at, attempt=0, **data)
            tell(fleet, "agent.running", name("i"), 5 * n + 3, at, scope=name("a"), attempt=0)
            fleet.beat(beat(at, instance=name("i")), at)
            fleet.event(name("subject"), b"{", 5 * n + 4, at)

    fleet = Fleet(limit_bytes=2 * MIB, clock=Clock())
    flood(fleet, 300, 0)
    gc.collect()
    tracemalloc.start()
    try:
        flood(fleet, 300, 300)
        before = tracemalloc.get_traced_memory()[0]
        flood(fleet, 900, 600)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < MIB
    counts = fleet.counters()
    assert set(counts.dropped) == {"topics", "agents", "models", "errors", "ways"}
    assert len(fleet.topics()) == len(fleet.agents()) == len(fleet.models()) == 16
    assert counts.bad == {"bad_name": 1500}


def test_fields_of_ten_megabytes_are_cut() -> None:
    fleet = Fleet(clock=Clock())
    long = "ä<script>" * (1 << 20)
    tell(fleet, "task.started", "t1", 1, NOW - 5, instance=long, source=long)
    tell(fleet, "task.input_required", "t1", 2, NOW - 5, text=long, deadline=long)
    tell(fleet, "task.failed", "t1", 3, NOW - 5, code=long, message=long)
    tell(fleet, "llm.failed", "r", 4, NOW - 5, attempt=0, model=long, code=long, message=long)
    huge = msgspec.structs.replace(beat(NOW), host=long, version=long, topics=[long] * 200)
    fleet.beat(huge, NOW - 1)
    views = [fleet.tasks(TaskQuery()), fleet.errors(), fleet.models(), fleet.agents()]
    views += [fleet.topology(), fleet.topics(), fleet.overview()]
    assert len(msgspec.json.encode(views)) < 300_000


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(_FIELDS.split()),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=12,
        ),
    ),
    st.sampled_from(["task", "llm", "memory", "agent", "tool", "other"]),
    st.sampled_from(["started", "completed", "failed", "retry", "progress", "suspended", "called"]),
    st.sampled_from([0, 1]),
)
def test_nothing_that_an_event_says_raises_and_all_views_can_be_shown(
    said: object, entity: str, verb: str, attempt: int
) -> None:
    fleet = Fleet(clock=Clock())
    if isinstance(said, bytes):
        body = said
    else:
        data = said if isinstance(said, dict) else {"instance": said, "usd": said, "error": said}
        try:
            body = event_body(attempt=attempt, causation="t2", data=data)
        except (msgspec.EncodeError, OverflowError, UnicodeEncodeError):
            body = b"?"
    fleet.event(f"pp.event.{entity}.{verb}.orders.t1", body, 1, NOW - 5)
    fleet.result("t1", body, 1, NOW - 5)
    fleet.letter("orders", "", body, 1, NOW - 5)
    views = [fleet.overview(), fleet.tasks(TaskQuery()), fleet.agents(), fleet.topics()]
    views += [fleet.errors(), fleet.topology(), fleet.models(), fleet.counters()]
    msgspec.json.encode(views)
    assert fleet.counters().events == 1


def test_no_sum_of_what_anybody_says_is_without_end() -> None:
    """JSON has no such number: overview and snapshots could not be read any more."""
    fleet = Fleet(clock=Clock())
    for n in range(3):
        tell(fleet, "llm.completed", "r1", n, NOW, attempt=0, usd=1.7e308, ms=1.7e308, model="m")
    for view in (fleet.overview(), *fleet.models()):
        assert msgspec.json.decode(msgspec.json.encode(view), type=type(view)) == view


@pytest.mark.parametrize("ms", [1e300, 10**400, float(1 << 53), 1e16])
@pytest.mark.parametrize("deadline", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59"])
def test_times_beyond_all_calendars_are_shown_as_moments(ms: float, deadline: str) -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "t1", 1, NOW, instance="clerk/i1", queued_ms=ms)
    tell(fleet, "task.suspended", "t1", 2, NOW, **{"for": "time", "deadline": deadline})
    assert [one.id for one in fleet.tasks(TaskQuery()).items] == ["t1"]
    [waiting] = fleet.topology().waiting
    assert waiting.deadline is not None


def test_a_clock_that_is_ahead_changes_no_figure() -> None:
    fleet = Fleet(clock=Clock())
    event = Event(id="e", ts=datetime(2999, 1, 1, tzinfo=UTC), attempt=1, data={"duration_ms": 5})
    body = msgspec.json.encode(event)
    fleet.event("pp.event.task.completed.orders.t1", body, 1, NOW - 5)
    fleet.event("pp.event.task.completed.orders.t2", body, 2, NOW + 1e9)
    tell(fleet, "task.completed", "t3", 3, NOW - 4, duration_ms=5)
    overview = fleet.overview()
    assert overview.latency.m1.count == 3
    assert overview.counts.odd == {"clock_ahead": 2, "time_ahead": 1}
    row = fleet.task("t2")
    assert row is not None
    assert row.ended is not None
    assert row.ended.timestamp() == NOW


def test_a_listener_that_fails_does_not_keep_facts_from_being_taken() -> None:
    fleet = Fleet(clock=Clock())
    heard = []

    def fails(kind: str, value: object) -> None:
        heard.append(kind)
        raise RuntimeError("no")

    fleet.on_change.append(fails)
    tell(fleet, "task.started", "t1", 1, NOW - 5)
    fleet.result("t1", result_body(), 1, NOW - 4)
    assert heard == ["event", "task"]
    assert fleet.counters().odd == {"listener": 2}


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_a_roster_has_the_names_that_were_used_last(used: list[int], limit: int) -> None:
    made: list[int] = []

    def make(name: int) -> list[int]:
        made.append(name)
        return [name]

    roster = Roster(limit, make)
    for name in used:
        assert roster.use(name) == [name]
    last: list[int] = []
    for name in reversed(used):
        if name not in last:
            last.append(name)
    assert list(roster) == last[:limit][::-1]
    assert roster.dropped == len(made) - len(roster)


def test_equal_names_become_one_object() -> None:
    names = Names()
    one, other = "".join(["or", "ders"]), "".join(["ord", "ers"])
    assert one is not other
    assert names.of(one) is names.of(other)
