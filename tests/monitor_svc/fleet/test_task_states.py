"""What becomes of a task depends on the facts, not on the order in which they come."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_schemas.monitor import TaskQuery, TaskRow
from tests.monitor_svc.fleet.told import NOW, Clock, letter_body, moment, result_body, tell

ENDS = {"completed": "", "failed": "boom", "canceled": "canceled", "rejected": "rejected"}
WAITS = {"input_required": "answer", "suspended": "children"}


@dataclass(frozen=True)
class Fact:
    """Something that is told of a task.

    Attributes:
        kind: ``event``, ``result``, ``letter`` or ``submitted``.
        verb: What the event tells, or how the task ended.
        seq: Its number in its stream.
        at: When it was stored.
        values: What the event says.
    """

    kind: str
    verb: str
    seq: int
    at: float
    values: tuple[tuple[str, Any], ...] = ()

    def given_to(self, fleet: Fleet) -> None:
        match self.kind:
            case "event":
                tell(fleet, f"task.{self.verb}", "t1", self.seq, self.at, **dict(self.values))
            case "result":
                body = result_body(ENDS[self.verb])
                fleet.result("t1", body, self.seq, self.at, {"pp-topic": "orders"})
            case "letter":
                fleet.letter("orders", "t1", letter_body("t1", "orders", "boom"), self.seq, self.at)
            case _:
                fleet.submitted("orders", "t1", self.at, {"pp-source": "shop"})


def _values(verb: str, seq: int) -> dict[str, Any]:
    """The values of an event follow from its number, so that two of them are never mixed up."""
    worker = f"clerk/i{seq % 3}"
    if verb in ENDS:
        code = {"code": ENDS[verb], "message": f"no. {seq}"} if ENDS[verb] else {}
        return {"instance": worker, "duration_ms": float(seq), **code}
    return {
        "started": {"instance": worker, "queued_ms": 5.0, "source": "shop"},
        "progress": {"fraction": seq / 100},
        "retry": {"error": {"code": "boom", "message": f"no. {seq}"}, "failures": seq % 4},
        "input_required": {"question": seq, "text": f"which {seq}?"},
        "suspended": {"for": "children", "children": seq},
    }[verb] | {"attempt": 1 + seq % 3}


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    verbs = st.sampled_from(
        ["started", "progress", "retry", *WAITS, *(["completed", "failed", "canceled"])]
    )
    told = draw(st.lists(verbs, max_size=8))
    found = [
        Fact("event", verb, seq, NOW - 100 + seq, tuple(_values(verb, seq).items()))
        for seq, verb in enumerate(told, 1)
    ]
    ends = draw(st.lists(st.sampled_from(list(ENDS)), max_size=2))
    found += [Fact("result", verb, seq, NOW - 50 + seq) for seq, verb in enumerate(ends, 1)]
    if draw(st.booleans()):
        found.append(Fact("letter", "failed", 1, NOW - 40))
    if draw(st.booleans()):
        found.append(Fact("submitted", "", 0, NOW - 110))
    return found


def naive(found: list[Fact]) -> dict[str, Any]:
    """What a task is, from all facts at once."""
    events = sorted((one for one in found if one.kind == "event"), key=lambda one: one.seq)
    results = sorted((one for one in found if one.kind == "result"), key=lambda one: one.seq)
    letters = [one for one in found if one.kind == "letter"]
    ends = [one for one in events if one.verb in ENDS]
    truth = (results or letters or ends or [None])[-1]
    state, waits, question = "submitted", "", 0
    for one in events:
        if one.verb in WAITS:
            waits = WAITS[one.verb]
            state = "input-required" if waits == "answer" else "working"
            question = dict(one.values).get("question", 0)
        elif one.verb in {"started", "retry"}:
            state, waits, question = "working", "", 0
        elif state == "submitted":
            state = "working"
    if truth is not None:
        state, waits, question = truth.verb, "", 0
    workers = [dict(one.values)["instance"] for one in events if "instance" in dict(one.values)]
    durations = [dict(one.values)["duration_ms"] for one in ends]
    retries = [dict(one.values)["failures"] for one in events if one.verb == "retry"]
    starts = [one.at for one in events if one.verb == "started"]
    progress = [dict(one.values)["fraction"] for one in events if one.verb == "progress"]
    return {
        "state": state,
        "waits": waits,
        "question": question,
        "worker": workers[-1] if workers else "",
        "ms": durations[-1] if durations else None,
        "retries": max(retries, default=0),
        # No later than its end, also where that was told before.
        "started": min([*starts, *([truth.at] if truth is not None else [])]) if starts else None,
        "ended": truth.at if truth is not None else None,
        "progress": progress[-1] if progress and truth is None else None,
        "letter": bool(letters),
        "seq": max((one.seq for one in events), default=0),
    }


def shown(row: TaskRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "waits": row.waits,
        "question": row.question,
        "worker": f"{row.agent}/{row.instance}" if row.agent else "",
        "ms": row.ms,
        "retries": row.retries,
        "started": row.started.timestamp() if row.started else None,
        "ended": row.ended.timestamp() if row.ended else None,
        "progress": row.progress,
        "letter": row.letter,
        "seq": row.seq,
    }


@settings(max_examples=300, deadline=None)
@given(facts().filter(bool), st.randoms(use_true_random=False), st.data())
def test_a_task_is_what_all_facts_together_say_in_whatever_order_they_come(
    found: list[Fact], order: Any, data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(found), max_size=3))
    told = [*found, *repeated]
    order.shuffle(told)
    fleet = Fleet(clock=Clock())
    for one in told:
        one.given_to(fleet)
    row = fleet.task("t1")
    assert row is not None
    assert shown(row) == naive(found)
    states = fleet.overview().states
    assert states == {row.state: 1}


@settings(max_examples=100, deadline=None)
@given(facts().filter(bool), st.randoms(use_true_random=False))
def test_every_field_that_is_shown_is_the_same_in_any_order(found: list[Fact], order: Any) -> None:
    rows = []
    for _ in range(2):
        fleet = Fleet(clock=Clock())
        for one in found:
            one.given_to(fleet)
        rows.append(fleet.task("t1"))
        order.shuffle(found)
    assert rows[0] == rows[1]


def test_one_whose_sender_tells_of_it_still_waits_for_a_worker() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.submitted", "t1", 1, NOW - 3, attempt=0)
    row = fleet.task("t1")
    assert row is not None
    assert (row.state, row.submitted, row.seq) == ("submitted", moment(NOW - 3), 1)
    tell(fleet, "task.started", "t1", 2, NOW - 2, instance="clerk/i1")
    assert [one.state for one in fleet.tasks(TaskQuery()).items] == ["working"]


def test_a_result_outweighs_an_event_that_tells_otherwise() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.completed", "t1", 9, NOW - 1, duration_ms=3.0)
    fleet.result("t1", result_body("boom", "it broke"), 1, NOW - 2)
    row = fleet.task("t1")
    assert row is not None
    assert (row.state, row.code, row.message) == ("failed", "boom", "it broke")
    assert [one.id for one in fleet.tasks(TaskQuery(state=["failed"])).items] == ["t1"]
    assert fleet.overview().states == {"failed": 1}


def test_an_event_that_comes_again_is_counted_once() -> None:
    fleet = Fleet(clock=Clock())
    for _ in range(3):
        tell(fleet, "task.started", "t1", 7, NOW - 5, instance="clerk/i1")
        tell(fleet, "llm.completed", "r1", 8, NOW - 4, cause="t1", attempt=0, usd=0.5, model="m")
    row = fleet.task("t1")
    assert row is not None
    assert (row.calls, row.usd) == (1, 0.5)
    counts = fleet.counters()
    assert (counts.events, counts.repeated) == (2, 4)


def test_a_stream_that_was_made_anew_is_read_though_its_numbers_come_again() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "t1", 1, NOW - 50)
    tell(fleet, "task.started", "t2", 1, NOW - 5)
    assert fleet.task("t2") is not None


def test_children_are_counted_whether_they_or_their_parent_are_known_first() -> None:
    fleet = Fleet(clock=Clock())
    tell(fleet, "task.started", "c1", 1, NOW - 5, cause="p", root="p")
    tell(fleet, "task.started", "p", 2, NOW - 5, cause="p", root="p")
    tell(fleet, "task.started", "c2", 3, NOW - 4, cause="p", root="p")
    parent = fleet.task("p")
    assert parent is not None
    assert (parent.children, parent.parent, parent.root) == (2, "", "p")
    assert {one.id for one in fleet.tasks(TaskQuery(root="p")).items} == {"p", "c1", "c2"}
    assert {one.id for one in fleet.tasks(TaskQuery(parent="p")).items} == {"c1", "c2"}


def test_a_task_of_the_high_lane_has_its_plain_topic_and_says_that_it_is_urgent() -> None:
    fleet = Fleet(clock=Clock())
    fleet.submitted("orders-hi", "t1", NOW - 3, {"Pp-Source": "shop"})
    fleet.submitted("orders-v1_2_0", "t2", NOW - 3, {})
    first, second = fleet.task("t1"), fleet.task("t2")
    assert first is not None
    assert second is not None
    assert (first.topic, first.high, first.source) == ("orders", True, "shop")
    assert (second.topic, second.high) == ("orders", False)


def test_the_whole_of_a_task_is_more_than_its_last_attempt() -> None:
    fleet = Fleet(clock=Clock())
    fleet.submitted("orders", "t1", NOW - 10, {})
    tell(fleet, "task.started", "t1", 1, NOW - 9, instance="clerk/i1")
    row = fleet.task("t1")
    assert row is not None
    assert row.whole_ms is None
    tell(fleet, "task.completed", "t1", 2, NOW - 1, duration_ms=3.0)
    fleet.result("t1", result_body(), 1, NOW - 1)
    row = fleet.task("t1")
    assert row is not None
    assert (row.ms, row.whole_ms) == (3.0, 9000.0)
