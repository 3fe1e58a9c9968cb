"""Graphs before they run: references, cycles, and what a plan refuses."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.graphs.plan import find_cycle, make_plan
from pepperpy_bus.graphs.references import literal, read_reference, read_template
from pepperpy_schemas.errors import BadGraph
from pepperpy_schemas.graphs import GraphSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("a$ref{}.[]\\ü", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$ref", "$$ref", "$$$ref", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def graph(nodes: dict[str, Any], **more: Any) -> GraphSpec:
    full = {
        name: one if {"topic", "group", "graph"} & set(one) else {"topic": "t", **one}
        for name, one in nodes.items()
    }
    return msgspec.convert({"name": "g", "nodes": full, **more}, GraphSpec)


def fill(value: Any, **scope: Any) -> Any:
    return read_template(value).fill(scope)


def ended(result: Any = None, error: Any = None) -> dict[str, Any]:
    return {"result": result, "error": error, "state": "failed" if error else "completed"}


# --- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.result", {"x": [{"n": 1}, {"n": 2}], "a b": 3, "a-b": 4, '"': 5}),
        ("a.result.x[0].n", 1),
        ("a.result.x[-1].n", 2),
        ("a.result.x[*].n", [1, 2]),
        ('a.result["a b"]', 3),
        ("a.result['a b']", 3),
        ("a.result.a-b", 4),
        (" a.result.x[0] ", {"n": 1}),
        ("a.state", "completed"),
        ("a.error.code", None),
    ],
)
def test_a_reference_reads_what_its_path_says(path: str, value: Any) -> None:
    a = ended({"x": [{"n": 1}, {"n": 2}], "a b": 3, "a-b": 4, '"': 5})
    assert fill({"$ref": path}, a=a) == value
    assert fill(["${" + path + "}"], a=a) == [value]


def test_a_text_is_filled_in() -> None:
    a = ended({"title": "Otters", "n": [1, None]})
    assert fill("On ${a.result.title}: ${a.result.n}", a=a) == "On Otters: [1,null]"
    assert fill("plain $${a.result} and $5", a=a) == "plain ${a.result} and $5"
    assert fill({"$$ref": "kept"}, a=a) == {"$ref": "kept"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a.result.nothing", "a.result has no .nothing, it is an object with x"),
        ("a.result.x[5]", r"a.result.x has no \[5\], it is a list of 1"),
        ("a.result.x.n", "a.result.x has no .n, it is a list of 1"),
        ("a.result.x[0].n.m", r"a.result.x\[0\].n has no .m, it is 1"),
        ("a.result[*]", r"a.result has no \[\*\], it is an object with x"),
        ('a.result["a b"].c', r'a.result has no \["a b"\]'),
    ],
)
def test_a_path_that_ends_early_is_named(path: str, words: str) -> None:
    with pytest.raises(BadGraph, match=words):
        fill("${" + path + "}", a=ended({"x": [{"n": 1}]}))


def test_what_failed_or_was_skipped_is_null_however_deep_the_path() -> None:
    failed = ended(None, {"code": "timeout"})
    assert fill("${a.result.x[0]}", a=failed) is None
    assert fill("${a.error.code}", a=failed) == "timeout"
    assert fill("${a.result[*].x}", a={**failed, "result": [{"x": 1}, None]}) == [1, None]


@pytest.mark.parametrize(
    "text",
    ["", "1a", ".a", "a.", "a..b", "a[", "a[x]", "a[1", "a b", "a()", "a.b + 1", "a" * 501],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadGraph, match="reference"):
        read_reference(text)


@pytest.mark.parametrize("value", ["${a.result", {"$ref": 1}, {"$ref": "a.result", "more": 1}])
def test_a_slip_in_a_template_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(BadGraph) as refused:
        read_template({"in": [0, value]})
    assert refused.value.context["path"] == "$.in[1]"


@given(JSON)
def test_literal_data_is_never_taken_for_a_reference(value: Any) -> None:
    template = read_template(literal(value))
    assert template.references == ()
    assert template.fill({}) == value


# --- what a plan refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({}, "has no nodes"),
        ({"a": {"after": ["b"]}}, "node a: after: there is no node 'b'"),
        ({"a": {"input": "${b.result}"}}, "node a: input: there is no node 'b'"),
        ({"a": {"input": {"$ref": "a.x"}}}, "a.x says nothing of a node"),
        ({"a": {"input": "${item}"}}, "item is known only where there is a list"),
        ({"a": {"each": "${item}"}}, "item is known only where there is a list"),
        ({"a": {"when": "b.result == 1"}}, "when: there is no node 'b'"),
        ({"a": {"when": "open('x')"}}, "functions cannot be called"),
        ({"a": {"topic": "no topic"}}, "topic 'no topic' is not a valid name"),
        ({"a": {"topic": "t", "graph": {"name": "x", "nodes": {}}}}, "has topic and graph"),
        ({"a": {"group": "g"}}, "group 'g' is not declared"),
        ({"a-b": {}}, "letters, digits and _"),
        ({"item": {}}, "references to the graph's own data begin with this name"),
        ({"a": {"timeout": "soon"}}, "node a: .*soon"),
        ({"a": {"compensate": "no topic"}}, "no topic"),
        ({"a": {"graph": {"name": "x", "nodes": {"b": {"topic": "t", "after": ["b"]}}}}}, "b -> b"),
        ({"a": {"input": "${a.result}"}}, "cycle: a -> a"),
        ({"a": {"when": "b.state == 'x'"}, "b": {"after": ["a"]}}, "cycle: [ab] -> [ab] -> [ab]"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(nodes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadGraph, match=words):
        make_plan(graph(nodes))


def test_a_group_without_members_is_refused() -> None:
    with pytest.raises(BadGraph, match="says nothing of its members"):
        make_plan(graph({"a": {"group": "w"}}, groups={"w": {}}))
    with pytest.raises(BadGraph, match="version range"):
        make_plan(graph({"a": {"group": "w"}}, groups={"w": {"capability": "x", "version": "?"}}))


def test_references_are_dependencies_too() -> None:
    plan = make_plan(
        graph(
            {
                "d": {"after": ["a"], "input": ["${b.result}"], "when": "c.state == 'completed'"},
                "c": {"each": "${a.result}"},
                "b": {"compensate": {"topic": "undo", "input": "${d.result}"}},
                "a": {},
            }
        )
    )
    assert plan.nodes["d"].needs == ("c", "b", "a")
    assert plan.nodes["b"].needs == ()
    assert list(plan.nodes) == ["b", "a", "c", "d"]
    assert plan.sinks == ["d"]
    assert plan.layers() == {"b": 0, "a": 0, "c": 1, "d": 2}


def test_graphs_lie_only_so_deep_in_graphs() -> None:
    inner: dict[str, Any] = {"name": "x", "nodes": {"a": {"topic": "t"}}}
    for _ in range(9):
        inner = {"name": "x", "nodes": {"a": {"graph": inner}}}
    with pytest.raises(BadGraph, match="deeper than 8 levels"):
        make_plan(msgspec.convert(inner, GraphSpec))


# --- cycles ---------------------------------------------------------------------------------------


def test_a_long_cycle_is_found_without_recursion() -> None:
    needs = {f"n{n}": [f"n{n + 1}"] for n in range(5_000)} | {"n5000": ["n0"]}
    assert len(find_cycle(needs)) == 5_002


@given(st.data())
@settings(max_examples=200)
def test_a_cycle_is_found_if_and_only_if_there_is_one(data: st.DataObject) -> None:
    names = [f"n{n}" for n in range(data.draw(st.integers(1, 8)))]
    needs = {
        one: data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) for one in names
    }
    found = find_cycle(needs)
    reach = {one: set(needs[one]) for one in names}
    for middle, one in itertools.product(names, names):
        if middle in reach[one]:
            reach[one] |= reach[middle]
    assert bool(found) == any(one in reach[one] for one in names)
    if found:
        assert found[0] == found[-1]
        assert len(set(found)) == len(found) - 1
        assert all(before in needs[after] for before, after in itertools.pairwise(found))
