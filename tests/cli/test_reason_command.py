"""`pepperpy reason FILE`: answers with their proofs, as text, as a table and as pictures."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pepperpy.__main__ import main

FAMILY = """\
parent(ana, bo). parent(bo, cy). parent(bo, dan).
grandparent(X, Z) :- parent(X, Y), parent(Y, Z), not stranger(Z).
stranger(dan).
"""
TYPED = """\
rules:
  - then: {name: grandparent, args: ["?x", "?z"]}
    when:
      - {name: parent, args: ["?x", "?y"]}
      - {name: parent, args: ["?y", "?z"]}
facts:
  parent: [[ana, bo], [bo, cy]]
query: grandparent(X, Y)
"""
LOGINS = """\
records:
  - {event: failed, user: ana, at: 0}
  - {event: ok, user: ana, at: 20}
find:
  - fits: {event: failed, user: "?user"}
  - fits: {event: ok, user: "?user"}
    within: 1m
time: at
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "family.lp").write_text(FAMILY)
    (tmp_path / "family.yaml").write_text(TYPED)
    (tmp_path / "logins.yaml").write_text(LOGINS)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["reason", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_answers_are_a_table_and_each_has_its_proof(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "family.lp", "-q", "grandparent(X, Y)")
    assert code == 0
    assert out.splitlines() == [
        "X    Y",
        "ana  cy",
        "1 answer",
        "X = ana, Y = cy",
        "grandparent(ana,cy)   rule 4",
        "├─ parent(ana,bo)   fact, rule 1",
        "├─ parent(bo,cy)   fact, rule 2",
        "└─ not stranger(cy)   nothing makes it true",
        "rule 1: parent(ana, bo).",
        "rule 2: parent(bo, cy).",
        "rule 4: grandparent(X, Z) :- parent(X, Y), parent(Y, Z), not stranger(Z).",
    ]


def test_the_keys_of_a_file_say_who_answers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "family.yaml", "--json")
    assert (code, json.loads(out)["answers"][0]["values"]) == (0, {"X": "ana", "Y": "cy"})
    code, out, _ = run(capsys, "logins.yaml", "--json")
    assert (code, json.loads(out)["matches"]) == (
        0,
        [{"records": [0, 1], "values": {"user": "ana"}}],
    )


def test_a_file_may_come_by_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(FAMILY))
    assert run(capsys, "-", "-q", "parent(ana, bo)")[1].startswith("Yes\n")


def test_a_proof_is_drawn_as_a_picture_and_as_a_diagram(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    query = ("family.lp", "-q", "grandparent(X, Y)")
    code, out, err = run(capsys, *query, "--mermaid", "--picture", "proof.svg")
    assert code == 0, err
    assert out.startswith("flowchart TD\n")
    texts = set(ElementTree.parse(folder / "proof.svg").getroot().itertext())
    assert {"grandparent(ana,cy)", "not stranger(cy)", "nothing makes it true"} <= texts
    assert run(capsys, *query, "--picture", "proof.png")[0] == 0
    assert (folder / "proof.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("family.lp", "-q", "grandparent(X"), "query: syntax error", 1),
        (("family.lp", "-q", "not stranger(X)"), "nothing says what X can be", 1),
        (("family.lp", "-q", "uncle(X, Y)", "--mermaid"), "no proof to draw", 1),
        (("logins.yaml", "--mermaid"), "only rules have proofs", 2),
        (("family.lp", "-q", "parent(X, Y)", "--picture", "x.gif"), "x.gif", 2),
        (("nowhere.yaml",), "nowhere.yaml", 1),
        (("family.yaml", "--reasoner", "nobody"), "nobody", 1),
        (("family.lp",), "--query is missing: family.lp has rules", 2),
        (("empty.txt",), "empty.txt: it is no problem: it is empty", 1),
        (("notes.txt",), "ask rules with --query", 1),
        (("any.yaml",), "say who reasons with --reasoner: rules, ", 1),
        (("bad.lp", "-q", "a(X)"), "bad.lp:2: syntax error", 1),
        (("unsafe.lp", "-q", "a(X)"), "unsafe.lp: rule 1 (line 1): nothing says what X", 1),
    ],
)
def test_what_is_wrong_is_said(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    arguments: tuple[str, ...],
    said: str,
    code: int,
) -> None:
    files = {
        "empty.txt": "\n",
        "notes.txt": "a. b :- a.\n",
        "any.yaml": "seconds: 3\n",
        "bad.lp": "a(1).\na(2",
        "unsafe.lp": "a(X).",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    exit_code, _, err = run(capsys, *arguments)
    assert said in err
    assert exit_code == code


def test_a_question_without_end_ends_with_its_time(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "endless.lp").write_text("n(0). n(X + 1) :- n(X).")
    code, _, err = run(capsys, "endless.lp", "-q", "n(5)", "--limit", "2s")
    assert code == 1
    assert "not solved within 2 s" in err
    assert "hint: give it more time: --limit 20s" in err


def test_what_contradicts_is_shown_by_its_proof_line_by_line(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "rain.lp").write_text("rain. wet :- rain. :- wet.")
    code, _, err = run(capsys, "rain.lp", "-q", "rain")
    assert code == 1
    assert err.splitlines()[:3] == [
        "error: rule 3 (line 1): :- wet. is broken, because",
        "  │ wet   rule 3",
        "  │ └─ wet   rule 2",
    ]


@pytest.mark.parametrize(
    ("file", "code"), [("bad.lp", "bad_rule"), ("rain.lp", "contradiction"), ("x.yaml", "")]
)
def test_what_is_wrong_is_json_for_scripts(
    capsys: pytest.CaptureFixture[str], folder: Path, file: str, code: str
) -> None:
    (folder / "bad.lp").write_text("a(1).\na(2")
    (folder / "rain.lp").write_text("rain. :- rain.")
    (folder / "x.yaml").write_text("[]\n")
    query = ("-q", "rain") if file.endswith(".lp") else ()
    exit_code, out, err = run(capsys, file, *query, "--json")
    told = json.loads(out)
    assert (exit_code, err, told["ok"]) == (1, "", False)
    assert told["error"]["code"] == (code or "bad_problem")
    assert told["error"]["message"]
