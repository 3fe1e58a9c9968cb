"""What importing the agents costs above the client library below them, and what comes along."""

import subprocess
import sys
from statistics import median

from benchmarks import measure
from benchmarks.parts.ground import Figures

FRAMEWORKS = (
    "agent_framework",
    "agno",
    "anthropic",
    "autogen_agentchat",
    "autogen_core",
    "httpx",
    "jinja2",
    "langchain",
    "langchain_core",
    "langgraph",
    "mcp",
    "openai",
    "pydantic",
    "yaml",
)
"""Packages that nobody waits for who does not use them."""
NONE = "none"


def imports(rounds: int) -> Figures:
    """Times fresh interpreters in turn, and names the frameworks that came along."""
    below, ours = "import nats", "import pepperpy_agents"
    for code in (below, ours):
        measure.command_cpu_ms(code)  # compiled once, as an installation has it
    pairs = [(measure.command_cpu_ms(ours), measure.command_cpu_ms(below)) for _ in range(rounds)]
    return {
        "import_cpu_over_nats_ms": median(one - other for one, other in pairs),
        "frameworks_imported": ", ".join(_imported()) or NONE,
    }


def _imported() -> list[str]:
    code = f"import sys, pepperpy_agents; print(*({set(FRAMEWORKS)!r} & set(sys.modules)))"
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    return sorted(said.split())
