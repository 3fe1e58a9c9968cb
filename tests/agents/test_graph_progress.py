"""What a graph decides: whatever order the ends come in, nothing starts before what it needs."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.graphs.progress import Job, Progress
from pepperpy_bus.graphs.plan import make_plan
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.graphs import GraphSpec

BAD = ErrorInfo("handler_error", message="bad")


@st.composite
def graphs(draw: st.DrawFn) -> GraphSpec:
    names = [f"n{n}" for n in range(draw(st.integers(1, 9)))]
    order = draw(st.permutations(names))
    nodes: dict[str, Any] = {}
    for place, name in enumerate(order):
        before = order[:place]
        needs = draw(st.lists(st.sampled_from(before), max_size=3)) if before else []
        policy = draw(st.sampled_from(["compensate", "fail", "continue", "continue"]))
        nodes[name] = {"topic": "t", "after": needs, "on_failure": policy}
        if draw(st.booleans()):
            nodes[name] |= {
                "each": [1] * draw(st.integers(0, 3)),
                "parallel": draw(st.integers(0, 2)),
            }
        if before and draw(st.integers(0, 4)) == 0:
            nodes[name]["when"] = f"{before[0]}.state == 'completed'"
    shown = {name: nodes[name] for name in names}
    whole = {"name": "g", "nodes": shown, "parallel": draw(st.integers(1, 5))}
    return msgspec.convert(whole, GraphSpec)


@given(graphs(), st.data())
@settings(max_examples=300)
def test_nodes_start_after_what_they_need_within_the_bounds(
    spec: GraphSpec, data: st.DataObject
) -> None:
    plan = make_plan(spec)
    progress = Progress(plan)
    running: list[Job] = []
    started: set[tuple[str, int]] = set()
    while True:
        for job in progress.next_jobs():
            assert progress.failure is None
            assert (job.node, job.index) not in started
            started.add((job.node, job.index))
            running.append(job)
            for needed in plan.nodes[job.node].needs:
                assert progress.states[needed] in ("completed", "failed", "skipped")
        assert len(running) <= spec.parallel
        for name, node in plan.nodes.items():
            mine = sum(one.node == name for one in running)
            assert not node.spec.parallel or mine <= node.spec.parallel
        if not running:
            break
        job = running.pop(data.draw(st.integers(0, len(running) - 1)))
        ok = data.draw(st.integers(0, 4)) > 0
        progress.ended(job, (job.node, job.index), None if ok else BAD)
    assert progress.over
    states = progress.states
    if progress.failure is None:
        assert set(states.values()) <= {"completed", "failed", "skipped"}
        failed = [name for name, state in states.items() if state == "failed"]
        assert all(spec.nodes[name].on_failure == "continue" for name in failed)
        assert set(progress.fill_output()) == set(plan.sinks)
    else:
        assert spec.nodes[progress.failure[0]].on_failure != "continue"
    assert sorted(progress.news()) == sorted(
        name for name, state in states.items() if state not in ("waiting", "running")
    )


def test_elements_keep_their_places_and_failed_ones_are_null() -> None:
    nodes = {"a": {"topic": "t", "each": [5, 6, 7], "on_failure": "continue"}}
    progress = Progress(make_plan(msgspec.convert({"name": "g", "nodes": nodes}, GraphSpec)))
    jobs = progress.next_jobs()
    assert [one.body for one in jobs] == [5, 6, 7]
    for job, error in zip(reversed(jobs), (None, BAD, None), strict=True):
        progress.ended(job, job.body * 2, error)
    assert progress.scope["a"]["result"] == [10, None, 14]
    assert progress.states["a"] == "failed"
    assert progress.failure is None


def test_what_is_no_list_fails_the_node() -> None:
    nodes = {"a": {"topic": "t", "each": "${input}"}}
    given = {"name": "g", "nodes": nodes, "input": {"n": 1}}
    progress = Progress(make_plan(msgspec.convert(given, GraphSpec)))
    assert progress.next_jobs() == []
    assert progress.failure is not None
    assert progress.failure[1].message == 'node a: each: {"n":1} is no list'
