import re
import subprocess
import sys
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


def wrong(row: Row, collected: set[str]) -> list[str]:
    """What is not true of a row."""
    faults = [f"no such module: {one}" for one in row.modules if not (ROOT / one).exists()]
    faults += [f"no such test: {one}" for one in row.tests if one not in collected]
    if row.state not in STATES:
        faults.append(f"no such state: {row.state}")
    if row.state == "planned" and (row.modules or row.tests):
        faults.append("planned, with modules or tests")
    if row.state != "planned" and not (row.modules and row.tests):
        faults.append(f"{row.state}, without modules or tests")
    return faults


ROWS = rows_of(PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Every test that the page names, as pytest collects it, and the files they are in."""
    files = sorted({test.partition("::")[0] for row in ROWS for test in row.tests})
    there = [file for file in files if (ROOT / file).is_file()]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-cov", *there],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    ids = [line for line in run.stdout.splitlines() if "::" in line]
    return {one.partition("[")[0] for one in ids} | {one.partition("::")[0] for one in ids}


@pytest.mark.parametrize("row", ROWS, ids=[row.feature for row in ROWS])
def test_a_row_names_what_there_is(row: Row, collected: set[str]) -> None:
    assert wrong(row, collected) == []


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
