"""Two snapshots are compared value by value, each with its name, by how much and in percent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.snapshots.comparing import compared
from pepperpy_schemas.monitor import (
    AgentRow,
    AlertRow,
    ErrorGroup,
    FleetCounts,
    Overview,
    TopicRow,
    Windows,
)
from pepperpy_schemas.snapshots import Difference, Number, Snapshot

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
OVERVIEW = Overview(
    at=AT, since=AT, rates={"completed": 2.0}, states={"completed": 5}, latency=Windows(),
    queued=Windows(), error_ratio={"m5": None}, waiting=4, oldest_s=None, letters=0, agents={},
    questions=0, usd_rate=0.0, usd=0.0, tokens=0, health="ok", broker=None, counts=FleetCounts(),
    charts=[],
)  # fmt: skip


def taken(minutes: int = 0, **parts: Any) -> Snapshot:
    at = AT + timedelta(minutes=minutes)
    parts = {"overview": OVERVIEW, **parts}
    return Snapshot(id=f"s{minutes}", at=at, reason="asked", prefix="pp", **parts)


def changes(a: Snapshot, b: Snapshot) -> dict[str, Difference]:
    return {f"{one.section}: {one.name}": one for one in compared(a, b).changes}


def test_what_is_equal_is_counted_and_not_shown() -> None:
    found = compared(taken(), taken(5))
    assert (found.changes, found.seconds) == ([], 300.0)
    assert found.equal > 20


def test_numbers_have_a_delta_and_a_percentage() -> None:
    busier = msgspec.structs.replace(OVERVIEW, waiting=6, states={"completed": 0})
    found = changes(taken(), taken(5, overview=busier))
    waiting = found["overview: waiting"]
    assert (waiting.before, waiting.after, waiting.delta, waiting.percent) == (4, 6, 2.0, 50.0)
    done = found["overview: tasks completed"]
    assert (done.delta, done.percent) == (-5.0, -100.0)
    back = changes(taken(overview=busier), taken(5))["overview: tasks completed"]
    assert (back.delta, back.percent) == (5.0, None), "nothing is no percentage of anything"


def test_what_came_and_what_went_has_no_value_on_one_side() -> None:
    topic = TopicRow(topic="triage", waiting=3)
    agent = AgentRow(agent="support", instance="i1", state="up", version="1.0.0")
    found = changes(taken(topics=[topic]), taken(5, agents=[agent]))
    assert found["topics: triage waiting"].before == 3
    assert found["topics: triage waiting"].after is None
    assert found["agents: support/i1 state"].before is None
    assert found["agents: support/i1 state"].after == "up"
    assert found["agents: support/i1 state"].delta is None


def test_states_versions_settings_and_alerts_are_compared_as_texts() -> None:
    agent = AgentRow(agent="support", instance="i1", state="up", version="1.0.0")
    lost = msgspec.structs.replace(agent, state="lost", version="1.1.0")
    alert = AlertRow(id="a", rule="Backlog", state="firing", severity="critical")
    a = taken(agents=[agent], settings={"log.level": "info"}, versions={"broker": "2.14"})
    b = taken(
        5,
        agents=[lost],
        alerts=[alert],
        settings={"log.level": "debug"},
        versions={"broker": "2.15"},
    )
    found = changes(a, b)
    assert (found["agents: support/i1 state"].after) == "lost"
    assert (found["alerts: Backlog state"].after) == "firing"
    assert (found["settings: log.level"].before, found["settings: log.level"].after) == (
        "info",
        "debug",
    )
    assert found["versions: broker"].after == "2.15"


def test_metrics_are_named_with_their_labels_and_without_buckets() -> None:
    def metrics(value: float) -> list[Number]:
        labels = {"topic": "triage"}
        return [
            Number("pepperpy_tasks_waiting", value, labels),
            Number("pepperpy_task_seconds_bucket", value, labels | {"le": "1"}),
        ]

    found = changes(taken(metrics=metrics(1.0)), taken(5, metrics=metrics(3.0)))
    assert list(found) == ["metrics: pepperpy_tasks_waiting{topic=triage}"]


def test_errors_of_one_message_are_told_apart_by_their_group() -> None:
    one, other = (ErrorGroup(fingerprint=f, code="timeout", message="m") for f in ("f1", "f2"))
    more = msgspec.structs.replace(other, count=7)
    found = changes(taken(errors=[one, other]), taken(5, errors=[one, more]))
    assert list(found) == ["errors: timeout m [f2] count"]


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=5),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=5),
)
def test_forth_and_back_are_opposites(a: dict[str, int], b: dict[str, int]) -> None:
    def of(states: dict[str, int], minutes: int) -> Snapshot:
        return taken(minutes, overview=msgspec.structs.replace(OVERVIEW, states=states))

    forth, back = changes(of(a, 0), of(b, 5)), changes(of(b, 0), of(a, 5))
    assert forth.keys() == back.keys()
    for name, one in forth.items():
        assert (one.before, one.after) == (back[name].after, back[name].before)
        if one.delta is not None:
            assert one.delta == -(back[name].delta or 0.0)
    changed = {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}
    assert {name.removeprefix("overview: tasks ") for name in forth} == changed
