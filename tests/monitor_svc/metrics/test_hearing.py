import itertools

import pytest

from pepperpy_monitor_svc.metrics.samples import samples_of
from pepperpy_schemas.monitor import Gap
from tests.monitor_svc.metrics.hearing_fleet import Told

ENDED = "pepperpy_tasks_ended_total"


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_task_is_counted_and_measured_from_its_submission_to_its_end(told: Told) -> None:
    told.submitted("triage", "t1")
    told.event("task.started", "triage", "t1", instance="support/i1", queued_ms=250)
    told.event("task.completed", "triage", "t1", instance="support/i1", duration_ms=1500)
    told.result("t1")
    assert told.counted("pepperpy_tasks_submitted_total") == {("triage",): 1}
    assert told.counted("pepperpy_tasks_started_total") == {("support", "triage"): 1}
    assert told.counted(ENDED) == {("support", "completed", "triage"): 1}
    assert told.counted("pepperpy_task_wait_seconds_sum") == {("triage",): 0.25}
    # A second of this fleet lies between two facts.
    assert told.counted("pepperpy_task_duration_seconds_sum") == {("completed", "triage"): 2}
    labels = ("pp.task.triage.{id}", "process", "nats")
    assert told.counted("messaging_process_duration_seconds_sum") == {labels: 1.5}
    assert told.counted("messaging_client_consumed_messages_total") == {labels: 1}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("event", "result", "letter"))), ids="-".join
)
def test_an_end_is_counted_once_in_whatever_order_it_is_told(
    told: Told, order: tuple[str, ...]
) -> None:
    told.event("task.started", "triage", "t1", instance="support/i1")
    for fact in order:
        match fact:
            case "event":
                told.event(
                    "task.failed", "triage", "t1", instance="support/i1", code="boom", message="no"
                )
            case "result":
                told.result("t1", "boom")
            case "letter":
                told.letter("triage", "t1", "boom")
    assert told.counted(ENDED) == {("support", "boom", "failed", "triage"): 1}
    assert told.counted("pepperpy_dead_letters_stored_total") == {("triage",): 1}


def test_a_task_of_a_worker_that_raises_no_events_is_counted_by_its_result(told: Told) -> None:
    told.submitted("triage", "t1")
    told.result("t1")
    assert told.counted(ENDED) == {("completed", "triage"): 1}
    assert told.counted("pepperpy_tasks_submitted_total") == {("triage",): 1}


def test_an_end_without_an_event_is_counted_after_some_patience(told: Told) -> None:
    told.submitted("triage", "t1")
    told.result("t1")
    assert [one for one in samples_of(told.totals.families()) if one.name == ENDED] == []
    assert told.counted(ENDED) == {("completed", "triage"): 1}
    told.event("task.completed", "triage", "t1", instance="support/i1")
    assert told.counted(ENDED) == {("completed", "triage"): 1}


def test_a_task_that_waits_while_any_number_of_others_come_is_counted_once(told: Told) -> None:
    tasks = [f"t{number}" for number in range(20_002)]
    for task in tasks:
        told.submitted("triage", task)
    told.event("task.started", "triage", tasks[0], instance="support/i1")
    assert told.counted("pepperpy_tasks_submitted_total") == {("triage",): len(tasks)}


def test_of_a_task_that_was_there_before_only_what_comes_is_counted(told: Told) -> None:
    told.fleet.on_change.clear()
    told.submitted("triage", "waits")
    told.event("task.started", "triage", "failed", instance="support/i1")
    told.event("task.failed", "triage", "failed", instance="support/i1", code="boom", message="no")
    told.begin()
    assert told.counted("pepperpy_dead_letters_stored_total") == {("triage",): 0}
    told.event("task.started", "triage", "waits", instance="support/i1")
    told.event("task.completed", "triage", "waits", instance="support/i1")
    told.result("failed", "boom")
    told.letter("triage", "failed", "boom")
    assert told.counted("pepperpy_tasks_submitted_total") == {}
    assert told.counted(ENDED) == {("support", "completed", "triage"): 1}
    assert told.counted("pepperpy_dead_letters_stored_total") == {("triage",): 1}


def test_attempts_that_fail_are_counted_by_their_code(told: Told) -> None:
    told.event("task.retry", "triage", "t1", error={"code": "timeout", "message": ""}, failures=1)
    assert told.counted("pepperpy_tasks_retried_total") == {("timeout", "triage"): 1}


def test_a_thousand_tasks_are_one_series_of_each_subject(told: Told) -> None:
    for number in range(1000):
        told.event("task.started", "triage", f"t{number}", instance="support/i1")
        told.result(f"t{number}")
    sent = {
        labels[0]: value
        for labels, value in told.counted("messaging_client_sent_messages_total").items()
    }
    assert sent == {
        "pp.task.triage.{id}": 1000,
        "pp.result.{id}": 1000,
        "pp.event.task.started.{scope}.{id}": 1000,
    }


def test_a_dead_letter_has_been_0_before_it_is_1(told: Told) -> None:
    told.submitted("triage", "t1")
    assert told.counted("pepperpy_dead_letters_stored_total") == {("triage",): 0}


def ask(told: Told, **data: object) -> None:
    told.event("task.started", "triage", "t1", instance="support/i1")
    said = {
        "op": "chat",
        "model": "fast",
        "principal": "worker",
        "tenant": "support",
        "target": "openai/gpt-5-mini",
        "usage": {"input_tokens": 900, "output_tokens": 30},
        "usd": 0.002,
        "ms": 1300,
        "first_ms": 400,
        "attempts": [
            {"target": "openai/gpt-5", "code": "rate_limited"},
            {"target": "openai/gpt-5-mini"},
        ],
    }
    told.event("llm.completed", "fast", "call1", cause="t1", **(said | data))


def test_money_and_tokens_are_counted_for_agent_model_and_tenant(told: Told) -> None:
    ask(told)
    who = ("support", "gpt-5-mini", "openai", "support")
    assert told.counted("pepperpy_gen_ai_cost_total") == {who: 0.002}
    assert told.counted("pepperpy_gen_ai_requests_total") == {who: 1}
    assert told.counted("pepperpy_gen_ai_tokens_total") == {
        (*who, "input"): 900,
        (*who, "output"): 30,
    }
    assert told.counted("pepperpy_gen_ai_calls_total") == {
        ("gpt-5-mini", "openai"): 1,
        ("rate_limited", "gpt-5", "openai"): 1,
    }
    labels = ("chat", "openai", "fast", "gpt-5-mini")
    assert told.counted("gen_ai_client_operation_duration_seconds_sum") == {labels: 1.3}
    assert told.counted("gen_ai_client_operation_time_to_first_chunk_seconds_sum") == {labels: 0.4}
    assert told.counted("gen_ai_client_token_usage_sum") == {
        (*labels, "input"): 900,
        (*labels, "output"): 30,
    }


def test_a_request_whose_price_nobody_knows_is_told_apart_from_one_that_is_free(
    told: Told,
) -> None:
    ask(told, usd=None)
    ask(told, usd=0)
    assert told.counted("pepperpy_gen_ai_cost_total") == {}
    assert list(told.counted("pepperpy_gen_ai_unpriced_total").values()) == [1]


@pytest.mark.parametrize("bad", ["x" * 10_000_000, -1, 1e400, True, None, [], {"a": 1}])
def test_whatever_an_event_says_is_counted_or_left_out(told: Told, bad: object) -> None:
    ask(
        told,
        **dict.fromkeys(("op", "model", "principal", "tenant", "target", "usage", "ms"), bad),
        **dict.fromkeys(("usd", "first_ms", "attempts"), bad),
    )
    told.event("task.completed", "triage", "t1", instance=bad, duration_ms=bad, code=bad)
    told.event("task.retry", "triage", "t1", error=bad, failures=bad)
    told.event("tool.completed", "files", "f1", tool=bad)
    assert told.fleet.counters().odd == {}
    assert list(told.counted("pepperpy_gen_ai_requests_total").values()) == [1]
    assert list(told.counted(ENDED).values()) == [1]


def test_calls_of_tools_are_counted_by_their_results(told: Told) -> None:
    for verb in ("called", "completed", "called", "failed", "refused"):
        told.event(f"tool.{verb}", "files_read", "f1", tool="files.read")
    assert told.counted("pepperpy_tool_calls_total") == {
        ("completed", "files.read"): 1,
        ("failed", "files.read"): 1,
        ("refused", "files.read"): 1,
    }


def test_agents_that_are_made_are_counted_and_measured_by_their_version(told: Told) -> None:
    told.event("agent.created", "support", "m1", version="1.2.0", duration_ms=20)
    told.event("agent.create_failed", "support", "m2", version="1.3.0", code="bad_config")
    assert told.counted("pepperpy_agent_made_total") == {
        ("support", "1.2.0"): 1,
        ("support", "bad_config", "1.3.0"): 1,
    }
    assert told.counted("pepperpy_agent_making_seconds_sum") == {("support", "1.2.0"): 0.02}


def test_what_was_never_seen_is_counted_with_its_reason(told: Told) -> None:
    told.fleet.gap(Gap(stream="PP_EVENTS", first_seq=3, last_seq=7, reason="expired"))
    assert told.counted("pepperpy_monitor_missed_total") == {("expired", "PP_EVENTS"): 5}
    assert told.counted("pepperpy_monitor_gaps_total") == {("expired", "PP_EVENTS"): 1}
