"""Graphs in files: YAML and JSON, and the line of every slip."""

from pathlib import Path

import pytest

from pepperpy_bus.graphs.files import read_graph, read_graph_file
from pepperpy_schemas.errors import BadGraph

GOOD = """\
name: launch
input: {topic: otters}
groups:
  writers: {capability: write, policy: least_loaded}
nodes:
  research:
    topic: research
    input: {topic: "${input.topic}"}
    compensate: forget
  write:
    group: writers
    each: ${research.result.items}
    input:
      title: On ${item.title}
    on_failure: continue
    timeout: 5m
  review:
    graph:
      name: review
      nodes:
        read: {topic: read, input: "${input}"}
    input: ${write.result}
output: ${review.result.read}
"""


def test_yaml_and_json_are_read() -> None:
    import msgspec

    spec = read_graph(GOOD)
    assert list(spec.nodes) == ["research", "write", "review"]
    assert spec.nodes["write"].each == "${research.result.items}"
    assert read_graph(msgspec.json.format(msgspec.json.encode(spec), indent=2)) == spec


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: launch", "name: a launch", 1, "not a valid name"),
        ("name: launch", "nome: launch", 1, "there is no field 'nome'"),
        ("name: launch\n", "", 1, "name is missing"),
        ("    topic: research\n", "    topik: research\n", 7, "nodes.research: there is no field"),
        ("    topic: research\n", "    topic: 7\n", 7, "Expected `str`, got `int`"),
        ("    topic: research\n", "", 6, "neither topic, group nor graph"),
        ("forget", "forget, please", 9, "not a valid name"),
        ("group: writers", "group: writer", 10, "group 'writer' is not declared"),
        (
            "research.result.items",
            "reserch.result.items",
            12,
            "node write: each: there is no node 'reserch'",
        ),
        ("On ${item.title}", "On ${item.title", 14, "node write: input.title: ${ without }"),
        ("continue", "ignore", 15, "Invalid enum value 'ignore'"),
        ("5m", "five", 16, "five"),
        ("read, input", "read, inputs", 21, "nodes.review.graph.nodes.read: there is no field"),
        ("${review.result.read}", "${revue.result}", 23, "no node 'revue'"),
        ("  review:\n", "  write:\n", 10, "'write' is there twice: in lines 10 and 17"),
        ("policy: least_loaded", "policy: best", 4, "Invalid enum value 'best'"),
        ("name: launch", "name: [launch", 2, "expected ',' or ']'"),
    ],
)
def test_a_slip_is_told_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(BadGraph) as refused:
        read_graph(GOOD.replace(old, new, 1), "launch.yaml")
    assert str(refused.value).startswith(f"launch.yaml:{line}: "), str(refused.value)
    assert words in str(refused.value)


def test_a_cycle_is_told_with_the_line_of_a_node_in_it() -> None:
    nodes = "  a: {topic: t}\n  b: {topic: t, after: [c]}\n  c: {topic: t, after: [b]}\n"
    with pytest.raises(BadGraph, match=r"g\.yaml:[45]: .*cycle: (b -> c -> b|c -> b -> c)"):
        read_graph(f"name: g\nnodes:\n{nodes}", "g.yaml")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "\x00", "a: &x [*x]", "? [a]\n: b", "!!python/x y"),
        *("a: !!int ''", "a: !!float ''", "a: !!bool maybe", "a: !!timestamp soon"),
    ],
)
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(BadGraph):
        read_graph(text)


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(GOOD)
    assert read_graph_file(file).name == "launch"
    with pytest.raises(FileNotFoundError):
        read_graph_file(tmp_path / "none.yaml")
