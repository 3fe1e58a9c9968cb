import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_docs.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_generated_page_says_what_the_code_says() -> None:
    checked = generate("--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("page", ["cli.md", "errors.md", "roles.md", "settings.md", "wire.md"])
def test_a_page_that_differs_is_stale_until_written(tmp_path: Path, page: str) -> None:
    assert generate("--root", tmp_path).returncode == 0
    stale = tmp_path / "docs" / "reference" / page
    stale.write_text(stale.read_text().replace("the", "The", 1))
    checked = generate("--root", tmp_path, "--check")
    assert (checked.returncode, checked.stdout) == (1, f"docs/reference/{page}\n")
    assert generate("--root", tmp_path).returncode == 0
    assert generate("--root", tmp_path, "--check").returncode == 0


def test_the_settings_page_names_the_variable_of_every_setting(tmp_path: Path) -> None:
    generate("--root", tmp_path)
    page = (tmp_path / "docs" / "reference" / "settings.md").read_text()
    assert "`PEPPERPY_NATS_URL`" in page
    assert "|  | `PEPPERPY_" not in page
