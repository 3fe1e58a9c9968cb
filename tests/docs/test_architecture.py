import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    "schemas/pepperpy_schemas",
    "bus/pepperpy_bus",
    "agents/pepperpy_agents",
    "provider_svc/pepperpy_provider_svc",
    "memory_svc/pepperpy_memory_svc",
    "monitor_svc/pepperpy_monitor_svc",
    "capabilities/pepperpy_capabilities",
)


def modules_of(cell: str) -> list[str]:
    """The modules that a cell names; a folder holds for those after it."""
    folder, found = "", []
    for name in re.findall(r"`([\w/]+)`", cell):
        if name.endswith("/"):
            folder = name
        else:
            found.append(f"{folder}{name}")
    return found


def test_the_map_names_every_module_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for room in ROOMS:
        part = text.partition(f"\n**{room}**\n")[2].partition("\n**")[0].partition("\n## ")[0]
        cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
        named = [module for cell in cells for module in modules_of(cell)]
        paths = (ROOT / room).rglob("[!_]*.py")
        there = [str(path.relative_to(ROOT / room).with_suffix("")) for path in paths]
        assert sorted(named) == sorted(there), room
