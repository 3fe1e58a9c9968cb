import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas/pepperpy_schemas", "bus/pepperpy_bus", "agents/pepperpy_agents")


def test_the_map_names_every_module_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for room in ROOMS:
        part = text.partition(f"\n**{room}**\n")[2].partition("\n**")[0].partition("\n## ")[0]
        cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
        named = re.findall(r"`(\w+)`", " ".join(cells))
        there = [path.stem for path in (ROOT / room).glob("[!_]*.py")]
        assert sorted(named) == sorted(there), room
