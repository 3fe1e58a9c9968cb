from pathlib import Path

import msgspec
import pytest

from pepperpy_monitor_svc.alerts.reading import read_rules
from tests.monitor_svc.alerts.series import (
    Line,
    changes,
    climbing,
    line,
    ours,
    promtool,
    steps,
)

APART = 5
"""Seconds between two steps."""


class Case(msgspec.Struct, frozen=True):
    """Series, and how many alerts of the rule fire from which second on."""

    lines: list[Line]
    fires: list[tuple[int, int]]


def minutes(number: float) -> int:
    """Steps in so many minutes."""
    return round(number * 60 / APART)


SINCE_START = line("pepperpy_monitor_leads", [1.0] * 2000)
"""What the monitor has from its start: the counters of the cases begin with it, or after it."""

CASES = {
    "BusDown": Case(
        [line("pepperpy_broker_up", steps((6, 1.0), (12, 0.0), (12, 1.0)))],
        [(0, 0), (45, 1), (90, 0)],
    ),
    "JetStreamStorageHigh": Case(
        [
            line(
                "pepperpy_jetstream_utilization",
                # 0.82 does not begin it, and does not end it.
                steps((12, 0.82), (24, 0.9), (24, 0.82), (12, 0.79)),
                storage="file",
            ),
            line("pepperpy_jetstream_utilization", steps((72, 0.1)), storage="memory"),
        ],
        [(0, 0), (120, 1), (300, 0)],
    ),
    "WorkerLost": Case(
        [
            line("pepperpy_agent_instances", steps((24, 3.0)), agent="a", state="up"),
            line("pepperpy_agent_instances", steps((4, None), (8, 2.0)), agent="a", state="lost"),
            line(
                "pepperpy_agent_instances",
                steps((4, 0.0), (4, 1.0), (16, 0.0)),
                agent="b",
                state="lost",
            ),
            line("pepperpy_agent_instances", steps((24, 1.0)), agent="monitor", state="lost"),
        ],
        [(0, 0), (20, 2), (40, 1), (60, 0)],
    ),
    "ServiceGone": Case(
        [
            line(
                "pepperpy_agent_instances",
                steps((4, 1.0), (12, 0.0), (8, 1.0)),
                agent="edge",
                state="up",
            ),
            line(
                "pepperpy_agent_instances", steps((4, 0.0), (20, 1.0)), agent="edge", state="lost"
            ),
            # Another replica serves; a worker is no service.
            line("pepperpy_agent_instances", steps((24, 1.0)), agent="memory", state="up"),
            line("pepperpy_agent_instances", steps((24, 1.0)), agent="memory", state="lost"),
            line("pepperpy_agent_instances", steps((24, 1.0)), agent="a", state="lost"),
        ],
        [(0, 0), (35, 1), (80, 0)],
    ),
    "LoopLagHigh": Case(
        [
            line(
                "pepperpy_agent_loop_lag_seconds",
                steps((4, 0.001), (12, 0.75), (6, 0.3), (6, 0.1)),
                agent="a",
                agent_instance="i1",
            )
        ],
        [(0, 0), (50, 1), (110, 0)],
    ),
    "NoWorkersForTopic": Case(
        [
            line("pepperpy_tasks_waiting", steps((48, 4.0)), topic="orders"),
            line("pepperpy_topic_workers", steps((12, 2.0), (24, 0.0), (12, 1.0)), topic="orders"),
            # Nobody has ever worked on it: there is no series of its workers.
            line("pepperpy_tasks_waiting", steps((6, 0.0), (30, 1.0), (12, 0.0)), topic="mails"),
        ],
        [(0, 0), (90, 1), (120, 2), (180, 0)],
    ),
    "BacklogGrowing": Case(
        [
            line(
                "pepperpy_tasks_waiting",
                steps(
                    (minutes(10), 90.0),
                    (minutes(10), lambda n: 90.0 + n),
                    (minutes(20), 210.0),
                ),
                topic="orders",
            ),
            line("pepperpy_tasks_waiting", steps((minutes(40), 5.0)), topic="mails"),
        ],
        # It is 50 more in ten minutes from 855 s on, for five minutes; held for five at the end.
        [(0, 0), (1155, 1), (1850, 0)],
    ),
    "OldestTaskTooOld": Case(
        [
            line(
                "pepperpy_tasks_oldest_age_seconds",
                steps((4, 890.0), (4, 905.0), (4, 700.0), (4, 600.0)),
                topic="orders",
            )
        ],
        [(0, 0), (20, 1), (60, 0)],
    ),
    "RedeliveryStorm": Case(
        [
            line(
                "pepperpy_tasks_redelivered",
                steps((6, 1.0), (36, 12.0), (6, 6.0), (6, 1.0)),
                topic="orders",
            ),
            line("pepperpy_tasks_running", steps((54, 20.0)), topic="orders"),
            # All of two say little.
            line("pepperpy_tasks_redelivered", steps((54, 2.0)), topic="mails"),
            line("pepperpy_tasks_running", steps((54, 2.0)), topic="mails"),
        ],
        [(0, 0), (150, 1), (240, 0)],
    ),
    "ErrorRatioHigh": Case(
        [
            line(
                "pepperpy_tasks_ended_total",
                climbing((minutes(14), 1.0)),
                topic="orders",
                agent="a",
                state="completed",
            ),
            line(
                "pepperpy_tasks_ended_total",
                climbing((minutes(5), 0.0), (minutes(2), 1.0), (minutes(7), 0.0)),
                topic="orders",
                agent="a",
                state="failed",
                code="timeout",
            ),
        ],
        [(0, 0), (395, 1), (705, 0)],
    ),
    "LatencyP99High": Case(
        [
            *(
                line(
                    "pepperpy_task_duration_seconds_bucket",
                    climbing((minutes(20), 1.0))
                    if bound != "60.0"
                    else climbing((minutes(20), 0.9)),
                    topic="orders",
                    state="completed",
                    le=bound,
                )
                for bound in ("60.0", "300.0", "+Inf")
            ),
            *(
                line(
                    "pepperpy_task_duration_seconds_bucket",
                    climbing((minutes(10), 1.0), (minutes(6), 0.5), (minutes(8), 1.0))
                    if bound != "+Inf" and bound != "1800.0"
                    else climbing((minutes(24), 1.0)),
                    topic="mails",
                    state="completed",
                    le=bound,
                )
                for bound in ("60.0", "300.0", "1800.0", "+Inf")
            ),
            line(
                "pepperpy_task_duration_seconds_count",
                climbing((minutes(24), 1.0)),
                topic="mails",
                state="completed",
            ),
        ],
        [(0, 0), (910, 1), (1255, 0)],
    ),
    "DeadLettersGrowing": Case(
        [
            SINCE_START,
            # The first letter of a topic is news, though its series begins with it.
            line(
                "pepperpy_dead_letters_stored_total",
                steps((minutes(2), None), (minutes(26), 1.0)),
                topic="orders",
                code="timeout",
            ),
            line(
                "pepperpy_dead_letters_stored_total",
                climbing((minutes(3), 0.0), (1, 2.0), (minutes(25), 0.0), start=7.0),
                topic="mails",
                code="bad_payload",
            ),
        ],
        [(0, 0), (120, 1), (185, 2), (1020, 1), (1085, 0)],
    ),
    "SchemaDecodeErrors": Case(
        [
            SINCE_START,
            line(
                "pepperpy_monitor_unreadable_total",
                climbing((12, 0.0), (8, 1.0), (minutes(12), 0.0)),
                reason="bad_payload",
            ),
        ],
        [(0, 0), (90, 1), (675, 0)],
    ),
    "ProviderErrorsHigh": Case(
        [
            line(
                "pepperpy_gen_ai_calls_total",
                climbing((minutes(16), 1.0)),
                provider="openai",
                model="m",
            ),
            line(
                "pepperpy_gen_ai_calls_total",
                climbing((minutes(5), 0.0), (minutes(3), 1.0), (minutes(8), 0.0)),
                provider="openai",
                model="m",
                code="upstream_failed",
            ),
            # What is throttled counts as asked, not as failed.
            line(
                "pepperpy_gen_ai_calls_total",
                climbing((minutes(16), 1.0)),
                provider="anthropic",
                model="m",
                code="rate_limited",
            ),
        ],
        [(0, 0), (440, 1), (750, 0)],
    ),
    "ProviderThrottled": Case(
        [
            SINCE_START,
            line(
                "pepperpy_gen_ai_calls_total",
                climbing((12, 0.0), (12, 1.0), (minutes(8), 0.0)),
                provider="openai",
                model="m",
                code="rate_limited",
            ),
        ],
        [(0, 0), (115, 1), (370, 0)],
    ),
    "CostBudgetBurn": Case(
        [
            SINCE_START,
            line(
                "pepperpy_gen_ai_cost_total",
                climbing((12, 0.0), (12, 1.0), (minutes(70), 0.0)),
                tenant="support",
                provider="p",
                model="m",
                agent="a",
            ),
        ],
        [(0, 0), (115, 1), (3670, 0)],
    ),
    "MemoryStoreDown": Case(
        [
            line(
                "pepperpy_component_up",
                steps((6, 1.0), (6, 0.5), (12, 0.0), (6, 1.0)),
                component="memory/postgresql",
            ),
            line("pepperpy_component_up", steps((30, 0.0)), component="edge/1"),
        ],
        [(0, 0), (90, 1), (120, 0)],
    ),
    "ServiceOverloaded": Case(
        [
            SINCE_START,
            line(
                "pepperpy_service_overloaded_total",
                # The service starts anew in between: its counter begins at 0 again.
                [*climbing((6, 0.0), (6, 1.0)), *climbing((7, 1.0), (minutes(8), 0.0))],
                service="provider",
                endpoint="chat",
            ),
        ],
        [(0, 0), (90, 1), (340, 0)],
    ),
    "MonitorGap": Case(
        [
            SINCE_START,
            line(
                "pepperpy_monitor_missed_total",
                steps((6, None), (minutes(14), 31.0)),
                stream="PP_EVENTS",
                reason="expired",
            ),
        ],
        [(0, 0), (30, 1), (630, 0)],
    ),
    "MonitorSilent": Case(
        [line("pepperpy_monitor_leads", steps((12, 1.0), (24, None), (12, 0.0)))],
        [(0, 0), (120, 1), (180, 0)],
    ),
}

SHIPPED = read_rules(None).rules


def test_each_shipped_rule_has_a_case_that_fires_and_ends() -> None:
    assert sorted(CASES) == sorted(SHIPPED)
    assert all(case.fires[0] == (0, 0) and case.fires[-1][1] == 0 for case in CASES.values())
    assert all(any(many for _, many in case.fires) for case in CASES.values())


@pytest.mark.parametrize("name", list(CASES))
def test_a_shipped_rule_fires_and_ends_here_and_at_prometheus_at_the_same_times(
    name: str, tmp_path: Path
) -> None:
    case, rule = CASES[name], SHIPPED[name]
    long = max(len(one.values) for one in case.lines if one is not SINCE_START)
    seen = ours([rule], case.lines, long, APART)
    assert changes(seen, APART) == case.fires
    promtool(tmp_path, [rule], case.lines, seen, APART)


@pytest.mark.parametrize("name", list(CASES))
def test_a_shipped_rule_says_what_is_wrong_and_what_to_do(name: str) -> None:
    rule = SHIPPED[name].rule
    assert rule.summary
    assert len(rule.description) > 40
