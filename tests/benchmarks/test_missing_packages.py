import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["agents", "bus", "durable", "monitor", "provider"])
def test_a_benchmark_without_its_packages_says_in_one_line_what_to_install(
    name: str,
) -> None:
    run = f"runpy.run_path('benchmarks/{name}.py', run_name='__main__')"
    start = f"import runpy, sys; sys.modules['psutil'] = None; {run}"
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "psutil is missing; install it with: pip install --group bench\n"
