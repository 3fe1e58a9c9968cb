"""The files of the page: what they may do, what they weigh, where the foreign ones come from."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from pepperpy_monitor_svc.web.files import FOLDER

OURS = [
    path
    for path in sorted(FOLDER.rglob("*"))
    if path.suffix in (".js", ".html", ".css") and "vendor" not in path.parts
]
SCRIPTS = sorted(FOLDER.rglob("*.js"))
VENDORED = json.loads((FOLDER / "vendor/vendored.json").read_text())
LARGEST = 250_000

# Ways from text to markup or to code, and styles that the page's policy refuses.
FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "setHTMLUnsafe",
    "DOMParser",
    "createContextualFragment",
    "document.write",
    "srcdoc",
    "eval(",
    "new Function",
    "javascript:",
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(path: Path) -> None:
    text = path.read_text()
    assert [word for word in FORBIDDEN if word in text] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    named = re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z0-9.-]+", path.read_text())
    assert set(named) <= {"http://www.w3.org"}  # the name of SVG, which is no address


def test_the_page_has_no_inline_script_or_style() -> None:
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


def test_foreign_files_are_the_ones_of_the_list() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (FOLDER / "vendor").iterdir()
        if path.name != "vendored.json"
    }
    listed = {name: digest for one in VENDORED for name, digest in one["files"].items()}
    assert found == listed
    assert all(one["license"] and one["version"] and one["name"] for one in VENDORED)


def test_the_page_with_all_its_files_is_small() -> None:
    loaded = [path for path in FOLDER.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg")]
    assert sum(path.stat().st_size for path in loaded) <= LARGEST


def test_every_module_is_reached_from_the_page() -> None:
    page = (FOLDER / "index.html").read_text()
    waiting = [
        FOLDER / src.removeprefix("/static/") for src in re.findall(r'src="([^"]+\.js)"', page)
    ]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop().resolve()
        if path not in reached:
            reached.add(path)
            waiting += [
                path.parent / name for name in re.findall(r'from "(\.[^"]+)"', path.read_text())
            ]
    assert reached == {path.resolve() for path in SCRIPTS}
