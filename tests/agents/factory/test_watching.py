from pathlib import Path

import pytest

from pepperpy_agents.factory.watching import folders_of, makes_agents


@pytest.mark.parametrize(
    "path",
    ["app.py", "a/b.YAML", "x.yml", "x.j2", "agents/x.md", "a/templates/b/x.txt", "prompts/x.json"],
)
def test_code_declarations_and_templates_make_agents(path: str) -> None:
    assert makes_agents(path)


@pytest.mark.parametrize("path", ["README.md", "out/report.txt", "data.json", "x.pyc", "x.log"])
def test_what_agents_may_write_makes_none(path: str) -> None:
    assert not makes_agents(path)


def test_the_folders_of_agents_elsewhere_are_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "there"
    for folder in (here, elsewhere):
        folder.mkdir()
    monkeypatch.chdir(here)
    found = folders_of(
        ["pkg.module:agent", "inner/a.py:agent", "../there/b.yaml", f"{elsewhere}/c.py"]
    )
    assert found == [here, elsewhere]
