"""`pepperpy plan FILE`: for whom the file is, tables, pictures, and the line of what is wrong."""

import io
import json
from pathlib import Path

import pytest

from pepperpy.__main__ import main

PDDL = Path(__file__).parent.parent / "capabilities" / "planning" / "pddl"

BAKERY = """\
resources:
  oven: {}
jobs:
  - name: bread
    tasks:
      - {name: knead, duration: 1}
      - {name: bake, duration: 2, uses: {oven: 1}}
"""
WALK = """\
objects: {home: object, shop: object}
actions:
  - name: walk
    parameters: {from: object, to: object}
    when: [at from]
    then: [at to, not at from]
init: [at home]
goal: [at shop]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bakery.yaml").write_text(BAKERY)
    (tmp_path / "walk.yaml").write_text(WALK)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["plan", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_schedule_is_a_table_with_what_its_end_depends_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "bakery.yaml")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["TASK", "START", "END", "USES", "CRITICAL"]
    assert lines[2].split() == ["bread/bake", "1", "3", "oven", "yes"]
    assert "  bread/bake waits for bread/knead to be done" in lines


def test_actions_are_a_table_with_what_each_step_serves(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "walk.yaml")
    assert code == 0
    assert "walk home shop" in out
    assert "at shop → goal" in out
    (folder / "walk.yaml").write_text(
        WALK.replace("then: [", "then: [seen, ").replace("[at shop]", "[at shop, seen]")
    )
    assert "at shop → goal, seen → goal" in run(capsys, "walk.yaml")[1]


def test_days_need_no_quotes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    week = """start: 2026-12-25T08:00:00
calendars: {week: {weekly: {fri: ["09:00-10:00"], mon: ["09:00-10:00"]}, closed: [2026-12-25]}}
"""
    text = BAKERY.replace("oven: {}", "oven: {calendar: week}").replace(
        "duration: 2", "duration: 1"
    )
    (folder / "week.yaml").write_text(week + text)
    code, out, _ = run(capsys, "week.yaml")
    assert code == 0
    assert "2026-12-28T09:00" in out


def test_pddl_is_two_files(capsys: pytest.CaptureFixture[str]) -> None:
    domain, problem = str(PDDL / "blocks.pddl"), str(PDDL / "blocks-sussman.pddl")
    code, out, _ = run(capsys, domain, problem, "--json")
    assert code == 0
    assert [step["action"] for step in json.loads(out)["steps"]].count("stack") == 2
    code, _, err = run(capsys, domain)
    assert code == 2
    assert "second file" in err
    assert run(capsys, "walk.yaml", problem)[0] == 2


def test_pddl_that_is_wrong_is_told_with_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    domain, problem = PDDL / "blocks.pddl", PDDL / "blocks-sussman.pddl"
    code, _, err = run(capsys, str(problem), str(domain))
    assert code == 2
    assert f"swap the files: {problem} is the problem" in err
    (folder / "open.pddl").write_text("(define (domain x)\n(:predicates (p)")
    assert "open.pddl:2: ( is never closed" in run(capsys, "open.pddl", str(problem))[2]
    code, out, err = run(capsys, str(domain), "open.pddl", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out)["error"]["message"] == "open.pddl:2: ( is never closed"


def test_what_a_model_is_to_write_is_planned_on_the_bus(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "words.yaml").write_text("goal: a trip\nby: model\nshapes: [{topic: book}]\n")
    code, _, err = run(capsys, "words.yaml")
    assert code == 1
    assert "this needs a language model" in err
    assert "hint: add --run" in err


@pytest.mark.parametrize(
    ("goal", "meant"),
    [("[att shop]", "hint: did you mean at?"), ("[at shup]", "hint: did you mean shop?")],
)
def test_a_slip_in_a_goal_is_told_with_what_was_meant(
    goal: str, meant: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "walk.yaml").write_text(WALK.replace("goal: [at shop]", f"goal: {goal}"))
    code, _, err = run(capsys, "walk.yaml")
    assert code == 1
    assert meant in err


def test_a_schedule_is_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "bakery.yaml", "--picture", "gantt.svg")[0] == 0
    assert ">oven<" in (folder / "gantt.svg").read_text()
    code, _, err = run(capsys, "walk.yaml", "--picture", "walk.svg")
    assert code == 2
    assert "only schedules" in err
    code, _, err = run(capsys, "bakery.yaml", "--picture", "gantt.txt")
    assert code == 2
    assert ".svg or .png" in err


def test_stdin_is_a_file_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(WALK))
    code, out, _ = run(capsys, "-", "--json")
    assert code == 0
    assert json.loads(out)["cost"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BAKERY.replace("duration: 2", "duratoin: 2"), "f.yaml:7: there is no field"),
        (BAKERY.replace("duration: 2", "duration: two"), "f.yaml:7: "),
        (BAKERY.replace("oven: {}", "oven: {capasity: 1}"), "f.yaml:2: there is no field"),
        (BAKERY + "  - name: bread\n    name: cake\n", "f.yaml:8: 'name' is there twice"),
        (WALK.replace("goal: [at shop]", "gaol: [at shop]"), "f.yaml:8: there is no field 'gaol'"),
        (WALK.replace("at shop", "at moon"), "goal[0]: 'at moon' names 'moon'"),
        ("seconds: 3\n", "its keys do not say for whom it is"),
        ("seconds: 3\n", "say who plans with --planner: actions, "),
        ("[]\n", "there are no keys in it"),
        ("jobs: [\n", "f.yaml:2"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    text: str, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "f.yaml").write_text(text)
    code, out, err = run(capsys, "f.yaml")
    assert (code, out) == (1, "")
    assert told in err


def test_who_plans_can_be_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "bakery.yaml", "--planner", "oracle")
    assert code == 1
    assert "there is no 'oracle'" in err
    assert run(capsys, "bakery.yaml", "--planner", "schedule")[0] == 0


def test_a_deadline_that_cannot_be_is_told_with_what_it_excludes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "late.yaml").write_text(BAKERY.replace("duration: 2", "duration: 2, deadline: 2"))
    code, _, err = run(capsys, "late.yaml")
    assert code == 1
    assert "the tasks of bread are done in their order; bread/bake is done by 2" in err


def test_time_that_is_over_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "bakery.yaml", "--limit", "1ms")
    assert code == 1
    assert "not solved within 0.001 s" in err
