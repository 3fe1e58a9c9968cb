"""Errors that are one, models and their money, who talks to whom, the broker."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepperpy_monitor_svc.fleet.fingerprints import fingerprint, normalised
from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_schemas.monitor import (
    BrokerFigures,
    ComponentHealth,
    Gap,
    StreamRow,
    TaskQuery,
    TopicFigures,
)
from tests.monitor_svc.fleet.told import NOW, Clock, beat, letter_body, moment, result_body, tell


@pytest.mark.parametrize(
    ("one", "other", "plain"),
    [
        ("no parcel 17", "no parcel 4711", "no parcel #"),
        ("task 3f2a-99 is late", "task 77aa-01 is late", "task # is late"),
        ("cannot read /srv/a/b.txt", "cannot read /var/x", "cannot read #"),
        ("KeyError: 'colour'", "KeyError: 'size'", "KeyError: #"),
        ("GET https://a.example/x?y=1 failed", "GET http://b.example/ failed", "GET # failed"),
        ("took 1.5 s", "took 20.25 s", "took # s"),
        ("at 2026-01-02T03:04:05Z", "at 2027-11-12T13:14:15.5Z", "at #"),
        ("mail to a.b@c.example", "mail to x@y.example", "mail to #"),
        ("two\n  lines", "two lines", "two lines"),
    ],
)
def test_messages_that_differ_in_numbers_ids_and_paths_are_one(
    one: str, other: str, plain: str
) -> None:
    assert normalised(one) == normalised(other) == plain


def test_messages_of_other_words_or_codes_are_not_one() -> None:
    assert normalised("no parcel 7") != normalised("no letter 7")
    assert fingerprint("a", "x") != fingerprint("b", "x")


@example("0\\@")
@given(st.text(max_size=600))
def test_what_is_normalised_stays_as_it_is_and_has_no_digit_of_ascii(message: str) -> None:
    plain = normalised(message)
    assert normalised(plain) == plain or len(message) > 400
    assert not re.search(r"\b[0-9]", plain, re.ASCII)


def test_an_error_is_counted_once_however_many_tell_of_it() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "t1", 1, NOW - 9, instance="clerk/i1")
    error = {"code": "boom", "message": "no parcel 1"}
    tell(fleet, "task.retry", "t1", 2, NOW - 8, error=error, failures=1)
    fleet.letter("orders", "t1", letter_body("t1", "orders", "boom", "no parcel 2"), 1, NOW - 5)
    fleet.result("t1", result_body("boom", "no parcel 2"), 1, NOW - 5)
    tell(fleet, "task.failed", "t1", 3, NOW - 4, code="boom", message="no parcel 2")
    tell(fleet, "task.canceled", "t2", 4, NOW - 4, code="canceled", message="canceled by ana")
    [group] = fleet.errors()
    assert (group.count, group.code, group.message) == (2, "boom", "no parcel #")
    assert (group.first, group.last) == (moment(NOW - 8), moment(NOW - 5))
    assert (group.topics, group.agents, group.tasks) == (["orders"], ["clerk"], ["t1"])
    assert group.sample == "no parcel 2"
    found = fleet.tasks(TaskQuery(fingerprint=group.fingerprint))
    assert [row.id for row in found.items] == ["t1"]
    assert found.items[0].letter


def _asks(fleet: Fleet, seq: int, verb: str = "completed", **more: Any) -> None:
    usage = {"input_tokens": 100, "output_tokens": 10, "cached_tokens": 40}
    data = {"model": "default", "target": "openai/gpt", "principal": "worker", "tenant": "shop"}
    data |= {"usage": usage, "usd": 0.25, "ms": 800, "first_ms": 90} | more
    tell(fleet, f"llm.{verb}", f"r{seq}", seq, NOW - 3, attempt=0, cause="t1", root="t1", **data)


def test_tokens_and_money_are_added_up_by_model_agent_and_tenant_and_for_the_task() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "t1", 1, NOW - 9, instance="clerk/i1")
    _asks(fleet, 2)
    _asks(fleet, 3)
    tried = [{"target": "openai/gpt", "code": "throttled"}, {"target": "local/tiny"}]
    _asks(fleet, 4, target="local/tiny", usd=None, attempts=tried)
    _asks(fleet, 5, "failed", target="", code="unavailable", message="no model answered")
    by_model = {(row.provider, row.model): row for row in fleet.models()}
    gpt, tiny, none = (
        by_model[key] for key in (("openai", "gpt"), ("local", "tiny"), ("", "default"))
    )
    assert (gpt.agent, gpt.tenant, gpt.requests, gpt.usd) == ("clerk", "shop", 2, 0.5)
    assert (gpt.input_tokens, gpt.output_tokens, gpt.cached_tokens) == (200, 20, 80)
    assert gpt.codes == {"throttled": 1}
    assert gpt.usd_rate == pytest.approx(0.5, rel=0.05)
    assert gpt.latency.h1.p50_ms == pytest.approx(800, rel=0.03)
    assert gpt.first.p50_ms == pytest.approx(90, rel=0.03)
    assert (tiny.requests, tiny.usd, tiny.failed) == (1, 0, 0)
    assert (none.failed, none.codes) == (1, {"unavailable": 1})
    row = fleet.task("t1")
    assert row is not None
    assert (row.calls, row.input_tokens, row.output_tokens) == (4, 400, 40)
    assert row.usd == pytest.approx(0.75)
    overview = fleet.overview()
    assert (overview.usd, overview.tokens) == (pytest.approx(0.75), 440)


def test_what_a_handler_says_of_models_is_no_request_to_one() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "llm.called", "t1", 1, NOW - 5, cause="t1", tokens=120, usd=0.5)
    assert fleet.models() == []
    assert fleet.task("t1") is not None


def test_the_topology_shows_who_submits_pulls_asks_and_waits() -> None:
    fleet = Fleet(clock=Clock())
    fleet.beat(beat(NOW), NOW)
    fleet.health(ComponentHealth(name="provider/1", kind="provider", status="degraded"))
    tell(fleet, "task.started", "t1", 1, NOW - 9, instance="clerk/i1", source="shop")
    _asks(fleet, 2)
    child: dict[str, Any] = {"scope": "mail", "cause": "t1", "root": "t1"}
    tell(fleet, "task.started", "c1", 3, NOW - 8, instance="porter/i2", **child)
    tell(fleet, "task.suspended", "t1", 4, NOW - 7, children=1, **{"for": "children"})
    tell(fleet, "memory.searched", "m1", 5, NOW - 7, attempt=0, principal="anon")
    tell(fleet, "task.input_required", "c1", 6, NOW - 6, question=1, text="Send it?", **child)
    found = fleet.topology()
    assert {(one.source, one.kind, one.target) for one in found.edges} == {
        ("client:shop", "submits", "topic:orders"),
        ("agent:clerk", "pulls", "topic:orders"),
        ("agent:clerk", "submits", "topic:mail"),
        ("agent:porter", "pulls", "topic:mail"),
        ("agent:clerk", "asks", "service:provider"),
        ("service:provider", "asks", "model:openai/gpt"),
        ("client:anon", "asks", "service:memory"),
        ("topic:orders", "waits", "topic:mail"),
    }
    nodes = {one.id: one for one in found.nodes}
    assert {end for one in found.edges for end in (one.source, one.target)} <= nodes.keys()
    assert (nodes["agent:clerk"].state, nodes["agent:clerk"].size) == ("up", 1)
    assert nodes["service:provider"].state == "degraded"
    assert [(one.task, one.waits, one.text) for one in found.waiting] == [
        ("t1", "children", ""),
        ("c1", "answer", "Send it?"),
    ]
    fleet.result("c1", result_body(), 1, NOW - 1)
    assert "waits" not in {one.kind for one in fleet.topology().edges}


def test_what_the_broker_says_is_shown_and_what_it_does_not_say_is_unknown() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "t1", 1, NOW - 9)
    assert fleet.overview().waiting is None
    assert fleet.topics()[0].waiting is None
    for at, last in ((NOW - 10, 100), (NOW, 150)):
        topics = [
            TopicFigures(topic="orders", waiting=7, in_hand=2, oldest_s=12.5, letters=3),
            TopicFigures(topic="mail", waiting=1),
        ]
        streams = [StreamRow(name="PP_TASKS", last_seq=last)]
        figures = BrokerFigures(connected=True, server="n1", topics=topics, streams=streams)
        fleet.broker(figures, at)
    overview = fleet.overview()
    assert (overview.waiting, overview.oldest_s, overview.letters) == (8, 12.5, 3)
    assert overview.broker == BrokerFigures(connected=True, server="n1")
    assert [one.rate for one in fleet.streams()] == [5.0]
    mail, orders = fleet.topics()
    assert (orders.topic, orders.waiting, orders.in_hand, orders.letters) == ("orders", 7, 2, 3)
    assert (mail.topic, mail.waiting, mail.oldest_s) == ("mail", 1, None)
    for n, connected in enumerate((False, True)):
        fleet.broker(BrokerFigures(connected=connected), NOW + 5 + n)
        assert fleet.overview().waiting is None
        [line] = [one for one in fleet.overview().charts if one.name == "waiting"]
        assert [one for one in line.values if one is not None] == [8, 8]


def test_a_component_is_so_since_it_became_so_and_the_worst_counts() -> None:
    fleet = Fleet(clock=Clock())
    assert fleet.overview().health == "unknown"
    for n, status in enumerate(("ok", "down", "down")):
        one = ComponentHealth(name="m", kind="memory", status=status, at=moment(NOW + n))  # type: ignore[arg-type]
        fleet.health(one)
    fleet.health(ComponentHealth(name="b", kind="broker", status="ok", at=moment(NOW)))
    found = fleet.components()
    assert [(one.name, one.status, one.since) for one in found] == [
        ("m", "down", moment(NOW + 1)),
        ("b", "ok", moment(NOW)),
    ]
    assert fleet.overview().health == "down"


def test_gaps_are_added_up_and_the_newest_are_shown() -> None:
    fleet = Fleet(clock=Clock())
    for n in range(150):
        fleet.gap(Gap(stream="PP_EVENTS", first_seq=10 * n, last_seq=10 * n + 4, reason="expired"))
    counts = fleet.counters()
    assert (counts.missed, len(counts.gaps), counts.gaps[0].first_seq) == (750, 100, 1490)
