import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "build_site.py"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    return loaded


def test_every_page_is_in_the_navigation_or_the_list_of_decisions(
    builder: ModuleType, config: dict[str, Any]
) -> None:
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    decisions = (docs / "decisions" / "index.md").read_text("utf-8")
    listed = {page for page in pages if f"({Path(page).name})" in decisions}
    assert pages - listed == set(builder.pages(config["nav"]))
    assert {page for page in pages if page.startswith("decisions/0")} == listed


def test_nothing_of_the_site_is_fetched_from_elsewhere(config: dict[str, Any]) -> None:
    assert config["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript"} & set(config)


def test_language_models_get_every_page_by_its_title(
    builder: ModuleType, config: dict[str, Any]
) -> None:
    text = builder.llms_txt(config)
    assert text.startswith("# PepperPy\n\n> ")
    assert [page for page in builder.pages(config["nav"]) if f"]({page})" not in text] == []
    assert "[What you can rely on](explanation/guarantees.md)" in text


def test_the_site_builds_without_a_warning() -> None:
    built = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
