import ast
import re
import subprocess
import sys
from pathlib import Path

from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.headerdocs import header_docs

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "generate_docs.py"
PACKAGES = ("schemas", "bus", "agents", "pepperpy")


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], check=False, capture_output=True, text=True
    )


def test_the_reference_pages_are_fresh() -> None:
    found = generate("--check")
    assert (found.returncode, found.stdout) == (0, ""), "run: python scripts/generate_docs.py"


def test_a_stale_page_is_named_and_written_anew(tmp_path: Path) -> None:
    assert "docs/reference/errors.md" in generate("--root", tmp_path).stdout
    page = tmp_path / "docs" / "reference" / "errors.md"
    text = page.read_text()
    page.write_text(text.replace("queue_full", "queue_fool"))
    stale = generate("--root", tmp_path, "--check")
    assert (stale.returncode, stale.stdout) == (1, "docs/reference/errors.md\n")
    assert generate("--root", tmp_path).returncode == 0
    assert page.read_text() == text


def test_every_error_code_is_in_the_table_once() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    codes = re.findall(r"^\| `(\w+)` \|", page, re.M)
    assert codes == [one.code for one in error_types()]


def test_no_package_has_error_codes_outside_the_one_tree() -> None:
    """The wire's table is whole only when every class with a code is in it."""
    strays = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and _declares_code(node):
                    strays.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert [one for one in strays if not one.startswith("schemas/pepperpy_schemas/")] == []
    assert len(strays) >= len(list(error_types()))


def _declares_code(node: ast.ClassDef) -> bool:
    """Whether the class gives both a code and a category of its own."""
    targets = [target for line in node.body for target in _assigned(line)]
    return {"code", "category"} <= {one.id for one in targets if isinstance(one, ast.Name)}


def _assigned(line: ast.stmt) -> list[ast.expr]:
    if isinstance(line, ast.AnnAssign):
        return [line.target] if line.value else []
    return line.targets if isinstance(line, ast.Assign) else []


def test_every_subject_and_header_is_in_the_page_of_the_wire() -> None:
    page = (ROOT / "docs" / "reference" / "wire.md").read_text()
    assert [s.name for s in CATALOG if f"| `{s.template}` | {s.name} |" not in page] == []
    docs = {h.name: h.doc.replace("``", "`") for h in header_docs()}
    assert [n for n, doc in docs.items() if f"| `{n}` | {doc} |" not in page] == []
