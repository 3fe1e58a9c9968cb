import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def declared(project: dict[str, Any]) -> set[str]:
    """Every package of the file, but the project itself."""
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    names = {Requirement(line).name for lines in lists for line in lines if isinstance(line, str)}
    return names - {project["project"]["name"]}


def explained(page: str) -> list[str]:
    return re.findall(r"^\| ([A-Za-z0-9_.-]+) \|(?! why)(?! extra)(?! group)", page, re.M)


def test_every_dependency_is_explained_once_and_nothing_else_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    found = [name for name in explained(page) if name != "---"]
    assert sorted(found) == sorted(declared(project))


def test_every_dependency_has_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    lines = [Requirement(line) for lines in lists for line in lines]
    assert [one.name for one in lines if one.name != "pepperpy" and not one.specifier] == []
