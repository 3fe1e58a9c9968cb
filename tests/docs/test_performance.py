import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def keys_of_the_benchmark() -> Any:
    for node in ast.parse((ROOT / "benchmarks" / "bus.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KEYS":
            return ast.literal_eval(node.value)
    return None


def test_the_page_explains_every_figure_of_the_benchmark() -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text("utf-8")
    explained = page.partition("## Figures")[0]
    cells = [line.split("|")[1] for line in explained.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(cells)) == list(keys_of_the_benchmark())
