import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "features.md"
STATES = {"done", "partly", "planned"}


@dataclass(frozen=True)
class Row:
    feature: str
    state: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


def rows_of(text: str) -> list[Row]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| feature |", "| --- |"))
    ]
    return [Row(c[0], c[1], _quoted(c[3]), _quoted(c[4])) for c in cells]


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def wrong(row: Row, written: set[str]) -> list[str]:
    """What is not true of a row."""
    faults = [f"no such module: {one}" for one in row.modules if not (ROOT / one).exists()]
    faults += [f"no such test: {one}" for one in row.tests if one not in written]
    if row.state not in STATES:
        faults.append(f"no such state: {row.state}")
    if row.state == "planned" and (row.modules or row.tests):
        faults.append("planned, with modules or tests")
    if row.state != "planned" and not (row.modules and row.tests):
        faults.append(f"{row.state}, without modules or tests")
    return faults


ROWS = rows_of(PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def written() -> set[str]:
    """Every test of the files that the page names, and the files that have some.

    They are read and not collected: that took a minute.
    """
    files = {test.partition("::")[0] for row in ROWS for test in row.tests}
    return set().union(*(written_in(file) for file in files if (ROOT / file).is_file()))


def written_in(file: str) -> set[str]:
    """The tests of a file as pytest names them, and the file if it has any."""
    named: set[str] = set()
    for node in ast.parse((ROOT / file).read_text("utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        place = f"{file}::{node.name}" if isinstance(node, ast.ClassDef) else file
        named |= {
            f"{place}::{one.name}"
            for one in inside
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            and one.name.startswith("test_")
        }
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            named.add(place)
    return named | {file} if named else named


@pytest.mark.parametrize("row", ROWS, ids=[row.feature for row in ROWS])
def test_a_row_names_what_there_is(row: Row, written: set[str]) -> None:
    assert wrong(row, written) == []


def test_a_row_that_promises_too_much_is_found() -> None:
    page = """
| feature | state | what there is | modules | tests |
| --- | --- | --- | --- | --- |
| a | done | it | `README.md` | |
| b | done | it | `nowhere.py` | `tests/x.py::test_a` |
| c | partly | it | `README.md` | `tests/x.py::test_b` |
| d | soon | | | |
| e | planned | | `README.md` | |
| f | done | it | `README.md` | `tests/x.py` |
"""
    faults = {
        row.feature: wrong(row, {"tests/x.py", "tests/x.py::test_a"}) for row in rows_of(page)
    }
    assert faults == {
        "a": ["done, without modules or tests"],
        "b": ["no such module: nowhere.py"],
        "c": ["no such test: tests/x.py::test_b"],
        "d": ["no such state: soon", "soon, without modules or tests"],
        "e": ["planned, with modules or tests"],
        "f": [],
    }
