import json
from pathlib import Path

import pytest

from pepperpy.__main__ import main

RESEARCHER = """\
---
description: Answers from sources.
variables:
  topic: str
  most: {type: int, default: 3, description: Sources at most.}
messages:
  - {role: system}
  - {role: user, content: "{{ topic }}"}
---
Use up to {{ most }} sources.
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "researcher@1.2.0.md").write_text(RESEARCHER)
    return tmp_path / "templates"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["templates", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_ls_lists_the_folders_templates_and_the_packages_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "ls", "--json")
    rows = {one["name"]: one for one in json.loads(out)}
    assert code == 0
    assert list(rows) == ["house-style", "researcher"]
    assert rows["researcher"] == {
        "name": "researcher",
        "version": "1.2.0",
        "format": "chat",
        "variables": ["topic", "most"],
        "description": "Answers from sources.",
        "file": "templates/researcher@1.2.0.md",
    }
    (folder / "bad.md").write_text("---\nversion: x\n---\n")
    code, out, err = run(capsys, "ls")
    assert code == 1
    assert "researcher" in out
    assert err.startswith("error: templates/bad.md: version 'x' is not a semantic version")


def test_show_tells_the_variables_and_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "researcher@>=1")
    assert code == 0
    assert out.splitlines()[:2] == [
        "researcher 1.2.0 · chat · templates/researcher@1.2.0.md",
        "Answers from sources.",
    ]
    assert "Sources at most." in out
    assert out.rstrip().endswith("Use up to {{ most }} sources.")
    code, out, _ = run(capsys, "show", "researcher", "--json")
    told = json.loads(out)
    assert [one["required"] for one in told["variables"]] == [True, False]
    assert told["text"] == "Use up to {{ most }} sources.\n"


def test_render_writes_the_values_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat = [
        {"role": "system", "content": "Use up to 3 sources."},
        {"role": "user", "content": "{{ otters }}"},
    ]
    code, out, _ = run(capsys, "render", "researcher", "topic={{ otters }}")
    assert (code, json.loads(out)) == (0, chat)
    code, out, _ = run(
        capsys, "render", "researcher", "--data", '{"topic": "x", "most": 5}', "--format", "text"
    )
    assert (code, out) == (0, "Use up to 5 sources.\n")
    file = str(folder / "researcher@1.2.0.md")
    code, out, _ = run(capsys, "render", file, "topic=x", "most:=1", "--format", "text", "--json")
    assert json.loads(out)["rendered"] == "Use up to 1 sources."


def test_what_is_wrong_is_told_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "render", "researcher", "tpic=x")
    assert code == 1
    assert "topic is missing (str); tpic is not declared (did you mean topic?)" in err
    code, _, err = run(capsys, "render", "resarcher")
    assert (code, "did you mean researcher?" in err) == (1, True)
    code, _, err = run(capsys, "ls", "--folder", "none")
    assert (code, "there is no folder of templates none" in err) == (1, True)
    code, _, err = run(capsys, "render", "researcher", "[1]")
    assert (code, "the variables are an object" in err) == (2, True)
