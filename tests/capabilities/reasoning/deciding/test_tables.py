"""Decisions from CSV, and as pictures."""

from pathlib import Path

import pytest

from pepperpy_capabilities.reasoning.deciding.deciding import decide
from pepperpy_capabilities.reasoning.deciding.picture import draw_decision
from pepperpy_capabilities.reasoning.deciding.tables import read_table
from pepperpy_schemas.decisions import Criterion, DecisionProblem, Option
from pepperpy_schemas.errors import BadProblem
from tests.capabilities.reasoning.deciding.problems import AIRCRAFT, decision

TABLE = """\
option,price,range
direction,less,
weight,3,2
unit,EUR,km
a,300,40
"b, the other",,70

direction,1,2
"""


@pytest.mark.parametrize("text", [TABLE, TABLE.replace(",", ";"), "\ufeff" + TABLE])
def test_a_table_is_a_decision(text: str) -> None:
    problem = read_table(text, origin="f.csv")
    assert problem.criteria == [
        Criterion(name="price", direction="less", weight=3, unit="EUR"),
        Criterion(name="range", weight=2, unit="km"),
    ]
    assert problem.options[0] == Option(name="a", values={"price": 300, "range": 40})
    assert problem.options[1].values == {"range": 70}
    assert problem.options[2].name == "direction", "after the options it is one"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.csv: it is no table of options by criteria"),
        ("a\nb\n", "f.csv: it is no table of options by criteria"),
        ("o,p\na,1,2\n", "f.csv:2: 3 cells, and the first line has 2"),
        ("o,p\na,cheap\n", "f.csv:2: 'cheap' is no number"),
        ("o,p\nweight,much\n", "f.csv:2: 'much' is no number"),
        ("o,p\ndirection,up\na,1\n", "f.csv:2: direction of p: Invalid enum value 'up'"),
        ("o,p\n", "f.csv: $.options: Expected `array` of length >= 1"),
        ("o,p\n" + "a" * 9_000_000, "f.csv: it has 9000004 characters"),
        ('o,p\n"' + "a" * 200_000 + '",1', "f.csv: it is no table: field larger than"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(BadProblem) as refused:
        read_table(text, origin="f.csv")
    assert refused.value.message.startswith(told)


def test_a_wrong_word_is_told_with_those_that_there_are() -> None:
    with pytest.raises(BadProblem) as refused:
        read_table("o,p,q\nweight,1,1\ndirection,more,lower\na,1,2\n", origin="f.csv")
    assert refused.value.message.startswith("f.csv:3: direction of q: Invalid enum value 'lower'")
    assert refused.value.hint == "there is more, less"


def drawn(problem: DecisionProblem, file: Path) -> str:
    draw_decision(problem, decide(problem), file)
    return file.read_text()


def test_a_decision_is_drawn_by_what_counts_most(tmp_path: Path) -> None:
    svg = drawn(AIRCRAFT, tmp_path / "aircraft.svg")
    for told in (
        "maneuverability: more is better",
        "speed: more is better",
        "A1 by topsis; 4 of 4 on the Pareto front",
        ">A3<",
    ):
        assert told in svg


def test_one_criterion_is_drawn_beside_the_place(tmp_path: Path) -> None:
    svg = drawn(decision({"a": ("less", 1)}, {"x": [3], "y": [1]}), tmp_path / "one.svg")
    assert ">place<" in svg
    assert "a: less is better" in svg


def test_a_front_of_two_criteria_has_a_line_and_unknown_values_no_place(tmp_path: Path) -> None:
    criteria = {"a": ("less", 1.0), "b": ("more", 1.0)}
    problem = decision(
        criteria,
        {"x": [1, 1], "y": [2, 3], "z": [3, 2], "w": [None, 2]},
        missing="worst",
        method="pareto",
    )
    svg = drawn(problem, tmp_path / "two.svg")
    assert "2 of 4 on the Pareto front" in svg
    assert ">y<" in svg
    assert ">w<" not in svg


def test_many_options_have_no_names(tmp_path: Path) -> None:
    rows: dict[str, list[float | None]] = {f"option-{n}": [n, -n] for n in range(60)}
    svg = drawn(decision({"a": ("more", 1), "b": ("more", 1)}, rows), tmp_path / "many.svg")
    assert ">option-7<" not in svg
    assert "60 of 60 on the Pareto front" in svg
