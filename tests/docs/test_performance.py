import ast
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def keys_of(benchmark: str) -> Any:
    for node in ast.parse((ROOT / "benchmarks" / benchmark).read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KEYS":
            return ast.literal_eval(node.value)
    return None


@pytest.mark.parametrize(
    ("benchmark", "heading"),
    [
        ("bus.py", "# Performance"),
        ("durable.py", "## Durable tasks"),
        ("provider.py", "## Models"),
        ("runtime.py", "## The runtime"),
        ("agents.py", "## Agents that think"),
        ("monitor.py", "## The monitor"),
    ],
)
def test_the_page_explains_every_figure_of_a_benchmark(benchmark: str, heading: str) -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text("utf-8")
    section = page.partition(f"{heading}\n")[2]
    explained = section.partition("| meaning |\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in explained.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(cells)) == list(keys_of(benchmark))
