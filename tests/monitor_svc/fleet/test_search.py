"""Tasks are found by any of their fields, and pages show each of them once."""

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.fleet.fleet import Fleet
from pepperpy_schemas.monitor import TaskQuery, TaskRow
from tests.monitor_svc.fleet.told import NOW, Clock, moment, tell

TOPICS = ("orders", "orders_eu", "Mail")
VERBS = ("started", "completed", "failed", "canceled")
CODES = ("boom", "timeout")


def _fleet(count: int) -> Fleet:
    fleet = Fleet(clock=Clock())
    for n in range(count):
        _told(fleet, n)
    return fleet


@cache
def _ninety() -> Fleet:
    return _fleet(90)


def _told(fleet: Fleet, n: int) -> None:
    at, scope = NOW - 1000 + n // 3, TOPICS[n % 3]
    worker, source = f"clerk{n % 2}/i{n % 5}", f"Shop{n % 4}"
    tell(fleet, "task.started", f"T{n:03}", 2 * n, at, scope=scope, instance=worker, source=source)
    verb = VERBS[n % 4]
    if verb != "started":
        code: dict[str, Any] = {}
        if verb == "failed":
            code = {"code": CODES[n % 2], "message": f"No parcel {n}"}
        tell(fleet, f"task.{verb}", f"T{n:03}", 2 * n + 1, at + 5, scope=scope, **code)


def _fits(row: TaskRow, query: TaskQuery) -> bool:
    worker = f"{row.agent}/{row.instance}"
    text = query.text.casefold()
    fields = (row.id, row.topic, worker, row.source, row.code, row.message)
    topic = query.topic
    last = row.ended or row.started
    assert last is not None
    assert row.submitted or row.started
    first = row.submitted or row.started
    return (
        (not query.state or row.state in query.state)
        and (row.topic.startswith(topic[:-1]) if topic[-1:] == "*" else topic in {"", row.topic})
        and query.agent in {"", row.agent, worker}
        and query.code in {"", row.code}
        and query.source in {"", row.source}
        and (query.since is None or last >= query.since)
        and (query.until is None or (first is not None and first < query.until))
        and any(text in one.casefold() for one in fields)
    )


queries = st.builds(
    TaskQuery,
    state=st.lists(st.sampled_from(["working", "completed", "failed", "canceled"]), max_size=2),
    topic=st.sampled_from(["", "orders", "orders*", "none"]),
    agent=st.sampled_from(["", "clerk0", "clerk1/i1", "clerk"]),
    code=st.sampled_from(["", *CODES]),
    source=st.sampled_from(["", "Shop1"]),
    text=st.sampled_from(["", "T01", "t01", "MAIL", "shop2", "PARCEL 1", "clerk0/i", "zzz"]),
    since=st.sampled_from([None, moment(NOW - 985)]),
    until=st.sampled_from([None, moment(NOW - 985)]),
    limit=st.integers(1, 20),
)


@settings(max_examples=200, deadline=None)
@given(queries)
def test_every_task_that_fits_is_shown_once_the_newest_first(query: TaskQuery) -> None:
    fleet = _ninety()
    everything = fleet.tasks(TaskQuery(limit=1000)).items
    expected = [row.id for row in everything if _fits(row, query)]
    fields: dict[str, Any] = {name: getattr(query, name) for name in query.__struct_fields__}
    page = fleet.tasks(query)
    found = [row.id for row in page.items]
    while page.next is not None:
        assert (page.total, len(page.items)) == (len(expected), query.limit)
        page = fleet.tasks(TaskQuery(**{**fields, "cursor": page.next}))
        found += [row.id for row in page.items]
    assert found == expected
    without = fleet.tasks(TaskQuery(**{**fields, "state": []}))
    assert sum(page.by_state.values()) == without.total


def test_pages_stay_as_they_are_while_tasks_come_and_end() -> None:
    fleet = _fleet(30)
    before = [row.id for row in fleet.tasks(TaskQuery(limit=1000)).items]
    page = fleet.tasks(TaskQuery(limit=10))
    for n in range(30, 40):
        _told(fleet, n)
    tell(fleet, "task.completed", "T000", 900, NOW - 1)
    assert page.next is not None
    rest = fleet.tasks(TaskQuery(limit=1000, cursor=page.next))
    assert [row.id for row in page.items] + [row.id for row in rest.items] == before


def test_a_cursor_that_nobody_gave_begins_anew() -> None:
    fleet = _fleet(5)
    for cursor in ("x", "~", "nan~T001", "0x1p99999~T1", "~~~"):
        assert fleet.tasks(TaskQuery(cursor=cursor, limit=5)).total == 5


def test_a_text_is_looked_for_within_fields_and_not_across_them() -> None:
    fleet = _fleet(5)
    assert fleet.tasks(TaskQuery(text="T000")).total == 1
    assert fleet.tasks(TaskQuery(text="T000orders")).total == 0
