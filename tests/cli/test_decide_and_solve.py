"""`pepperpy decide FILE` and `pepperpy solve FILE`: tables, pictures, JSON, what is wrong."""

import io
import json
from pathlib import Path

import pytest

from pepperpy.__main__ import main

PHONES = """\
option,price,battery
direction,less,more
weight,3,2
alpha,300,20
beta,450,35
gamma,320,19
"""
TRIP = """\
criteria:
  - {name: price, direction: less, weight: 3, unit: EUR}
  - {name: hours, direction: less}
options:
  - {name: train, values: {price: 80, hours: 6}}
  - {name: plane, values: {price: 120, hours: 3}}
method: weighted-sum
"""
LUNCH = """\
variables:
  soup: {kind: int, low: 0, high: 5}
  bread: {kind: int, low: 0, high: 5}
  drink: {kind: enum, values: [water, juice]}
  nap: {kind: interval, low: 0, high: 4, size: 1}
constraints:
  - {name: money, kind: linear, holds: "3*soup + 2*bread <= 12"}
  - {name: filled, kind: linear, holds: "soup + bread >= 4"}
  - {kind: implication, when: [soup >= 2], then: [drink == 'water']}
maximize: 2*soup + bread
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("phones.csv", PHONES), ("trip.yaml", TRIP), ("lunch.yaml", LUNCH)):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_table_of_options_is_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "decide", "phones.csv")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["RANK", "OPTION", "FRONT", "SCORE", "PRICE", "BATTERY"]
    assert [row[1] for row in rows[1:4]] == ["alpha", "beta", "gamma"]
    assert "With more than 40.7% for battery (now 40.0%) beta wins." in out


def test_how_it_is_decided_is_said_by_the_file_or_the_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert json.loads(run(capsys, "decide", "trip.yaml", "--json")[1])["method"] == "weighted-sum"
    code, out, _ = run(capsys, "decide", "trip.yaml", "--method", "pareto", "--json")
    assert (code, json.loads(out)["best"]) == (0, ["train", "plane"])
    code, out, _ = run(capsys, "decide", "phones.csv", "--normalization", "min-max", "--json")
    assert json.loads(out)["normalization"] == "min-max"
    code, _, err = run(capsys, "decide", "trip.yaml", "--method", "guess")
    assert code == 2
    assert "--method" in err


@pytest.mark.parametrize("text", [PHONES, TRIP])
def test_stdin_is_a_table_or_yaml(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code, out, err = run(capsys, "decide", "-")
    assert code == 0, err
    assert out.startswith("RANK")


def test_a_decision_is_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "decide", "phones.csv", "--picture", "front.svg")[0] == 0
    assert ">alpha<" in (folder / "front.svg").read_text()
    assert run(capsys, "decide", "phones.csv", "--picture", "front.png")[0] == 0
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    code, out, err = run(capsys, "decide", "phones.csv", "--picture", "front.txt")
    assert (code, out) == (2, "")
    assert ".svg or .png" in err


def test_without_matplotlib_there_is_the_ranking_and_no_picture(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import find_spec

    def without(name: str) -> object:
        return None if name == "matplotlib" else find_spec(name)

    monkeypatch.setattr("pepperpy_bus.installing.find_spec", without)
    code, out, err = run(capsys, "decide", "phones.csv", "--picture", "front.svg")
    assert code == 1
    assert out.startswith("RANK")
    assert "pictures" in err
    assert not (folder / "front.svg").exists()


def test_a_word_that_there_is_not_is_told_with_its_line_and_those_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "phones.csv").write_text(PHONES.replace("direction,less", "direction,lower"))
    code, _, err = run(capsys, "decide", "phones.csv")
    assert code == 1
    assert "phones.csv:2: direction of price: Invalid enum value 'lower'" in err
    assert "hint: there is more, less" in err
    (folder / "trip.yaml").write_text(TRIP.replace("direction: less}", "direction: lower}"))
    _, _, err = run(capsys, "decide", "trip.yaml")
    assert "trip.yaml:3: " in err
    assert "hint: there is more, less" in err


@pytest.mark.parametrize("command", ["decide", "solve"])
def test_what_is_wrong_is_json_for_scripts(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "f.yaml").write_text("criteria: 1\nvariables: 1\n")
    code, out, err = run(capsys, command, "f.yaml", "--json")
    told = json.loads(out)
    assert (code, err, told["ok"]) == (1, "", False)
    assert told["error"]["code"] == "bad_problem"
    assert told["error"]["message"].startswith("f.yaml:")


def test_an_optimum_is_a_table_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "solve", "lunch.yaml")
    assert code == 0
    assert [line.split(None, 1) for line in out.splitlines()[:5]] == [
        ["VARIABLE", "VALUE"],
        ["soup", "4"],
        ["bread", "0"],
        ["drink", "water"],
        ["nap", "0 to 1"],
    ]
    assert out.endswith(
        "No solution has a larger value than 8, as was proved.\n"
        "These leave no room: money, filled.\n"
    )


def test_several_solutions_are_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "all.yaml").write_text(
        "variables:\n  x: {kind: int, low: 1, high: 3}\n  b: {kind: bool}\nconstraints:\n"
        "  - {kind: linear, holds: x + b <= 2}\nask: all\n"
    )
    code, out, _ = run(capsys, "solve", "all.yaml")
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split() == ["X", "B"]
    assert sorted(row.split() for row in rows[:3]) == [["1", "no"], ["1", "yes"], ["2", "no"]]
    assert rows[-1] == "There are no other solutions than these 3."


def test_what_excludes_each_other_is_told_with_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "poor.yaml").write_text(LUNCH.replace("<= 12", "<= 7"))
    code, out, err = run(capsys, "solve", "poor.yaml")
    assert (code, err) == (1, "")
    assert out.splitlines()[1:] == [
        "  money: 3*soup + 2*bread <= 7",
        "  filled: soup + bread >= 4",
    ]
    code, out, _ = run(capsys, "solve", "poor.yaml", "--json")
    assert code == 1
    assert json.loads(out)["conflict"] == ["money", "filled"]


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        ("solve", LUNCH.replace("high: 5", "hihg: 5"), "f.yaml:2: there is no field"),
        ("solve", LUNCH.replace('holds: "soup', 'hold: "soup'), "f.yaml:8: there is no field"),
        ("solve", LUNCH.replace("kind: implication", "kind: hint"), "f.yaml:9: "),
        ("solve", LUNCH.replace(", high: 5", ""), "f.yaml:2: variables.soup has no high"),
        (
            "solve",
            LUNCH.replace("soup >= 2", "soop >= 2"),
            "f.yaml:9: constraints[2].when[0]: there is no variable soop",
        ),
        ("decide", TRIP.replace("weight: 3", "wieght: 3"), "f.yaml:2: there is no field"),
        (
            "decide",
            TRIP.replace("weight: 3", "weight: .nan"),
            "f.yaml:2: the weight of price is nan",
        ),
        ("decide", TRIP.replace("hours: 6", "hours: .inf"), "f.yaml:5: train has inf for hours"),
        ("decide", "[]\n", "there are no keys in it"),
    ],
)
def test_what_is_wrong_is_told(
    command: str, text: str, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "f.yaml").write_text(text)
    code, out, err = run(capsys, command, "f.yaml")
    assert (code, out) == (1, "")
    assert told in err


def test_time_that_is_over_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "solve", "lunch.yaml", "--limit", "1ms")
    assert code == 1
    assert "within 0.001 s" in err


@pytest.mark.parametrize("command", ["reason", "decide", "solve", "plan"])
def test_a_file_that_is_no_text_is_named(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "picture.yaml").write_bytes(b"\xff\xfe\x00")
    code, _, err = run(capsys, command, "picture.yaml")
    assert code == 1
    assert "picture.yaml: it is no text" in err
