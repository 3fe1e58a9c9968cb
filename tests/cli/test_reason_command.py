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
    ],
)
def test_what_is_wrong_is_said(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str, code: int
) -> None:
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
