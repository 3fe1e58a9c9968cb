import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pepperpy_bus.events import Heard
from pepperpy_monitor_svc.alerts import evaluator as evaluating
from pepperpy_monitor_svc.alerts import history as remembering
from pepperpy_monitor_svc.alerts.evaluator import Evaluator
from pepperpy_monitor_svc.alerts.reading import Ready, read_text
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_schemas.messages import Event
from tests.monitor_svc.alerts.series import changes, climbing, line, ours, promtool, steps

THRESHOLD = """
rules:
  - {name: A, kind: threshold, metric: pepperpy_tasks_waiting, by: [topic], above: 5, for: 20s}
"""
RATE = """
rules:
  - {name: A, kind: rate, metric: pepperpy_tasks_retried_total, by: [topic], over: 1m, above: 5}
"""
REPEATED = """
rules:
  - name: A
    kind: event
    repeated: task.failed.*
    times: 3
    within: 1m
    by: data.customer
    summary: "{key} fails again and again"
"""


def rules(text: str) -> list[Ready]:
    return list(read_text(text).rules.values())


def waiting(value: float, topic: str = "orders") -> list[Sample]:
    return [Sample("pepperpy_tasks_waiting", (("topic", topic),), value)]


def states(evaluator: Evaluator) -> list[str]:
    return [one.state for one in evaluator.alerts.values()]


def test_what_holds_is_pending_first_then_fires_and_is_over_when_it_holds_no_more() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    told = []
    for n, value in enumerate([6, 7, 8, 9, 10, 1]):
        told.append([a.state for a in evaluator.evaluate(waiting(value), 1000.0 + n * 5)])
    assert told == [["pending"], [], [], [], ["firing"], ["resolved"]]
    (alert,) = evaluator.alerts.values()
    assert (alert.since, alert.fired, alert.resolved) == (1000.0, 1020.0, 1025.0)
    assert alert.labels == {"alertname": "A", "severity": "warning", "topic": "orders"}


def test_what_holds_for_too_short_leaves_nothing_behind() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    assert [a.state for a in evaluator.evaluate(waiting(6), 0.0)] == ["pending"]
    (gone,) = evaluator.evaluate(waiting(5), 5.0)
    assert (gone.state, gone.fired) == ("resolved", None)
    assert evaluator.alerts == {}


def test_an_alert_that_is_over_is_shown_for_a_quarter_of_an_hour() -> None:
    evaluator = Evaluator(rules(THRESHOLD.replace("20s", "0s")), interval=300)
    evaluator.evaluate(waiting(6), 0.0)
    evaluator.evaluate(waiting(1), 300.0)
    evaluator.evaluate(waiting(1), 1200.0)
    assert states(evaluator) == ["resolved"]
    evaluator.owed = lambda _: True
    evaluator.evaluate(waiting(1), 1201.0)
    assert states(evaluator) == ["resolved"]
    evaluator.owed = lambda _: False
    evaluator.evaluate(waiting(1), 1202.0)
    assert states(evaluator) == []


def test_a_clock_that_jumps_ahead_does_not_make_time_pass() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    evaluator.evaluate(waiting(6), 0.0)
    evaluator.evaluate(waiting(6), 7200.0)
    assert states(evaluator) == ["pending"]
    for n in range(1, 5):
        evaluator.evaluate(waiting(6), 7200.0 + n * 5)
    assert states(evaluator) == ["firing"]
    assert evaluator.jumped == 1


def test_a_clock_that_goes_back_does_not_stop_time() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    for n in range(4):
        evaluator.evaluate(waiting(6), 10_000.0 + n * 5)
    evaluator.evaluate(waiting(6), 5_000.0)
    evaluator.evaluate(waiting(6), 5_005.0)
    assert states(evaluator) == ["firing"]
    assert evaluator.jumped == 1


@pytest.mark.parametrize("at", [math.nan, math.inf])
def test_a_moment_that_is_none_is_refused(at: float) -> None:
    with pytest.raises(ValueError, match="the moment of an evaluation"):
        Evaluator(rules(THRESHOLD)).evaluate([], at)


def test_no_number_fires_nothing_and_is_named() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    evaluator.evaluate(waiting(math.nan), 0.0)
    assert evaluator.alerts == {}
    assert evaluator.troubles == {"A": "1 values of pepperpy_tasks_waiting are no numbers"}
    evaluator.evaluate(waiting(math.inf), 5.0)
    assert [one.value for one in evaluator.alerts.values()] == [None]


def test_a_metric_that_is_not_there_fires_nothing_and_counts_as_no_series() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    evaluator.evaluate([], 0.0)
    assert (evaluator.alerts, evaluator.troubles, evaluator.looked_at) == ({}, {}, {"A": 0})


def test_a_rule_makes_no_more_alerts_than_its_limit_and_says_so() -> None:
    text = THRESHOLD.replace("for: 20s", "limit: 3")
    evaluator = Evaluator(rules(text))
    many = [one for n in range(10) for one in waiting(6, f"t{n}")]
    evaluator.evaluate(many, 0.0)
    assert sorted(one.labels["topic"] for one in evaluator.alerts.values()) == ["t0", "t1", "t2"]
    assert evaluator.troubles == {"A": "7 more alerts than its limit of 3: left out"}


def test_what_fires_is_not_over_because_a_rule_has_come_to_its_limit() -> None:
    evaluator = Evaluator(rules(THRESHOLD.replace("for: 20s", "limit: 3")))
    late = [one for n in range(5, 8) for one in waiting(6, f"t{n}")]
    evaluator.evaluate(late, 0.0)
    early = [one for n in range(5) for one in waiting(6, f"t{n}")]
    assert evaluator.evaluate([*early, *late], 5.0) == []
    assert states(evaluator) == ["firing"] * 3


def test_more_series_than_there_is_room_for_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluating, "MAX_SAMPLES", 20)
    monkeypatch.setattr(remembering, "MAX_POINTS", 60)
    evaluator = Evaluator(rules(RATE), interval=5)
    many = [
        Sample("pepperpy_tasks_retried_total", (("topic", f"t{n}"),), float(n)) for n in range(100)
    ]
    evaluator.evaluate(many, 0.0)
    assert evaluator.troubles == {
        "A": "80 series above 20 are left out; "
        "there is no room for 15 series of pepperpy_tasks_retried_total: left out"
    }


def test_a_million_series_of_one_rule_are_bounded_in_alerts_and_points() -> None:
    evaluator = Evaluator(rules(RATE.replace("5}", "5, limit: 10}")))
    many = [
        Sample("pepperpy_tasks_retried_total", (("topic", str(n)),), 1.0) for n in range(1_000_000)
    ]
    evaluator.evaluate(many, 0.0)
    evaluator.evaluate(many, 5.0)
    kept = sum(1 for _ in evaluator.history.series("pepperpy_tasks_retried_total"))
    assert kept <= remembering.MAX_POINTS
    assert "800000 series above 200000 are left out" in evaluator.troubles["A"]


def test_a_long_text_of_a_label_is_cut() -> None:
    evaluator = Evaluator(rules(THRESHOLD))
    evaluator.evaluate(waiting(6, "x" * 10_000), 0.0)
    (alert,) = evaluator.alerts.values()
    assert len(alert.labels["topic"]) == 256


def test_texts_in_labels_are_never_read_as_texts_with_places() -> None:
    text = THRESHOLD.replace("above: 5", 'above: 5, summary: "{topic} {value}"')
    evaluator = Evaluator(rules(text))
    evaluator.evaluate(waiting(6, "{value:percent}<b>{{ $labels }}"), 0.0)
    (alert,) = evaluator.alerts.values()
    assert alert.summary == "{value:percent}<b>{{ $labels }} 6"


def test_a_rule_that_cannot_be_worked_out_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = rules(THRESHOLD + THRESHOLD.replace("rules:", "").replace("name: A", "name: B"))
    evaluator = Evaluator(both)
    evaluator.evaluate(waiting(6), 0.0)

    def broken(frame: object) -> dict[Any, float]:
        raise ValueError("out of the blue")

    class Broken:
        values = staticmethod(broken)

        def series(self) -> list[Any]:
            return []

    first = evaluator._rules[0]
    evaluator._rules[0] = Ready(first.rule, Broken(), None, "")  # type: ignore[arg-type]
    for n in range(1, 6):
        evaluator.evaluate(waiting(6), n * 5.0)
    assert evaluator.troubles == {"A": "cannot be worked out: out of the blue"}
    assert {one.rule: one.state for one in evaluator.alerts.values()} == {
        "A": "pending",
        "B": "firing",
    }


def test_a_window_of_who_takes_over_must_be_full_before_it_ends_what_fires() -> None:
    before, after = Evaluator(rules(RATE)), Evaluator(rules(RATE))
    rising = climbing((13, 1.0))
    for n in range(13):
        before.evaluate(_retried(rising[n]), n * 5.0)
    assert states(before) == ["firing"]
    after.restore(before.alerts.values())
    for n in range(13, 25):
        after.evaluate(_retried(13.0), n * 5.0)
        assert states(after) == ["firing"]
    after.evaluate(_retried(13.0), 25 * 5.0)
    assert states(after) == ["resolved"]


def _retried(value: float | None) -> list[Sample]:
    assert value is not None
    return [Sample("pepperpy_tasks_retried_total", (("topic", "orders"),), value)]


def heard(seq: int, customer: str, name: str = "task.failed") -> Heard:
    entity, verb = name.split(".")
    event = Event(id=f"e{seq}", ts=datetime.now(UTC), data={"customer": customer})
    return Heard(entity, verb, "orders", f"t{seq}", event, seq)


def test_a_rule_over_events_fires_with_a_match_and_ends_when_none_follows() -> None:
    evaluator = Evaluator(rules(REPEATED))
    evaluator.evaluate([], 1000.0)
    for seq in range(3):
        evaluator.hear(heard(seq, "c42"), 1001.0 + seq)
        evaluator.hear(heard(seq + 10, f"other{seq}"), 1001.0 + seq)
    (alert,) = evaluator.evaluate([], 1005.0)
    assert (alert.state, alert.labels["key"]) == ("firing", "c42")
    assert alert.summary == "c42 fails again and again"
    assert evaluator.evaluate([], 1060.0) == []
    assert [one.state for one in evaluator.evaluate([], 1065.0)] == ["resolved"]


def test_an_event_that_is_missing_is_noticed_without_another_one() -> None:
    text = "rules: [{name: A, kind: event, within: 30s, after: order.placed, missing: order.paid}]"
    evaluator = Evaluator(rules(text))
    evaluator.evaluate([], 1000.0)
    evaluator.hear(heard(1, "c", "order.placed"), 1000.0)
    assert evaluator.evaluate([], 1030.0) == []
    assert [one.state for one in evaluator.evaluate([], 1035.0)] == ["firing"]


# --- the same as Prometheus, in what the shipped rules do not use --------------------------------

OTHER = {
    "a rate per minute": (
        "kind: rate, metric: pepperpy_tasks_retried_total, by: [topic], over: 1m, per: minute, "
        "above: 20",
        [
            line(
                "pepperpy_tasks_retried_total",
                climbing((12, 1.0), (12, 3.0), (12, 0.0)),
                topic="orders",
            )
        ],
    ),
    "an average below a border, held on": (
        "kind: threshold, metric: pepperpy_agent_cpu_utilization, by: [agent], aggregate: avg, "
        "below: 0.2, resolve: 0.4, keep_firing_for: 20s, for: 5s",
        [
            line(
                "pepperpy_agent_cpu_utilization",
                steps((20, 0.5), (9, 0.1), (11, 0.9)),
                agent="a",
                agent_instance="1",
            ),
            line(
                "pepperpy_agent_cpu_utilization",
                steps((16, 0.5), (10, 0.0), (14, 0.35)),
                agent="a",
                agent_instance="2",
            ),
        ],
    ),
    "a count of some series": (
        'kind: threshold, metric: pepperpy_component_up, where: {component: ["worker/*", edge]}, '
        "aggregate: count, below: 3, for: 10s",
        [
            line("pepperpy_component_up", steps((30, 1.0)), component="worker/1"),
            line(
                "pepperpy_component_up",
                steps((10, 1.0), (10, None), (10, 1.0)),
                component="worker/2",
            ),
            line("pepperpy_component_up", steps((30, 1.0)), component="edge"),
            line("pepperpy_component_up", steps((30, 1.0)), component="edges"),
        ],
    ),
    "a ratio of now without labels": (
        "kind: ratio, metric: pepperpy_agent_in_flight, of: pepperpy_agent_slots, above: 0.9",
        [
            line(
                "pepperpy_agent_in_flight",
                steps((10, 1.0), (10, 8.0), (10, 2.0)),
                agent="a",
                agent_instance="1",
            ),
            line("pepperpy_agent_slots", steps((5, 0.0), (25, 8.0)), agent="a", agent_instance="1"),
        ],
    ),
    "how long and how much": (
        "kind: threshold, metric: pepperpy_stream_size_bytes, by: [stream], above: 1000, "
        'summary: "{stream} {value} {value:bytes} {value:percent} {value:duration}"',
        [
            line(
                "pepperpy_stream_size_bytes",
                steps(
                    (1, 1001.0), (1, 123456.789), (1, 5e12), (1, 86399.0), (1, 3661.25), (1, 1e15)
                ),
                stream='a"b\\c',
            ),
        ],
    ),
    "a gauge that falls": (
        "kind: rate, metric: pepperpy_topic_workers, gauge: true, by: [topic], over: 40s, "
        "below: -2, per: minute",
        [
            line(
                "pepperpy_topic_workers",
                steps((10, 9.0), (10, lambda n: 9.0 - n), (10, 0.0)),
                topic="orders",
            )
        ],
    ),
}


@pytest.mark.parametrize("name", list(OTHER))
def test_a_rule_means_the_same_to_prometheus(name: str, tmp_path: Path) -> None:
    keys, lines = OTHER[name]
    ready = rules(f"rules: [{{name: A, {keys}}}]")
    long = max(len(one.values) for one in lines)
    seen = ours(ready, lines, long, 5)
    assert any(many for _, many in changes(seen, 5))
    promtool(tmp_path, ready, lines, seen, 5)
