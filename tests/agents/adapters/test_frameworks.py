"""Runs the tests of adapters whose frameworks cannot be installed beside everything else.

AutoGen pins an older protobuf, and with it come older versions of what the services use. Its tests,
those of Agent Framework, and what their pages tell the reader to type run in an environment that
``scripts/setup --frameworks`` makes. What they cover is counted as all else is.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.requirements import missing

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / "build/frameworks-venv/bin/python"
HERE = "tests/agents/adapters"
PAGES = "tests/docs/test_code_blocks.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        [f"{HERE}/autogen"],
        [f"{HERE}/agent_framework", f"{HERE}/beside"],
        [PAGES, "-k", "blocks_of_a_page and (autogen or agent-framework)"],
    ],
    ids=["autogen", "agent-framework", "pages"],
)
def test_in_an_environment_of_their_own(chosen: list[str], tmp_path: Path) -> None:
    if not PYTHON.exists():
        missing("AutoGen is not installed: scripts/setup --frameworks")
    # The plugins of this run are not there, nor is this worker of many.
    environ = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    options = ["-q", "-o", "addopts=", "--import-mode=importlib", "-p", "no:pepperpy"]
    done = subprocess.run(
        [PYTHON, "-m", "pytest", *options, f"--basetemp={tmp_path / 'own'}", *chosen],
        cwd=ROOT,
        env=environ,
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
