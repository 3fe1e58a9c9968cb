import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "scripts/demo"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the demo, files, and a setup that says so and takes its time."""
    scripts = tmp_path / "clone/scripts"
    scripts.mkdir(parents=True)
    shutil.copy(DEMO, scripts)
    (tmp_path / "clone/docs").mkdir()
    (tmp_path / "clone/docs/page.md").write_text("hello")
    (scripts / "setup").write_text("#!/usr/bin/env bash\necho installing\nexec sleep 60\n")
    (scripts / "setup").chmod(0o755)
    return tmp_path / "clone"


def demo(clone: Path, folder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [clone / "scripts/demo"],
        env={**os.environ, "FOLDER": folder},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_folder_that_is_none_is_refused_before_anything_is_installed(clone: Path) -> None:
    process = demo(clone, "/nope")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("demo: FOLDER=/nope is not a folder\n")


def test_a_folder_without_files_is_refused_before_anything_is_installed(clone: Path) -> None:
    (clone / "empty/.git").mkdir(parents=True)
    (clone / "empty/.git/config").touch()
    process = demo(clone, "empty")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("demo: FOLDER=empty has no files\n")


def test_an_interrupt_says_stopped_and_ends_what_was_started(clone: Path) -> None:
    process = demo(clone, "")
    assert process.stdout is not None
    assert process.stdout.readline() == "installing\n"
    process.send_signal(signal.SIGINT)
    # The pipes end with the last process that holds them.
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines() == ["", "stopped"]
