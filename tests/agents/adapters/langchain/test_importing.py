"""Frameworks are imported when one of their adapters is, and by nothing else."""

import subprocess
import sys

LIGHT = """
import sys
import pepperpy, pepperpy_agents, pepperpy_agents.adapters, pepperpy_agents.tools
import pepperpy_agents.thinking, pepperpy_agents.tools.resolving, pepperpy_agents.worker
pepperpy.LLMAgent("a", "b", tools=["calculator"])
print([name for name in sys.modules if name.startswith(("langchain", "langgraph", "langsmith"))])
import pepperpy_agents.adapters.langchain
print("langchain_core" in sys.modules, "langgraph" in sys.modules)
"""
WITHOUT = """
import sys
sys.modules["langchain_core"] = None
try:
    import pepperpy_agents.adapters.langchain
except Exception as error:
    print(type(error).__name__, error, error.hint)
"""


def printed(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def test_an_agent_without_adapters_imports_no_framework_and_a_runnable_no_graph() -> None:
    assert printed(LIGHT) == ["[]", "True False"]


def test_a_missing_framework_is_named_with_the_command_that_installs_it() -> None:
    [told] = printed(WITHOUT)
    assert told.startswith("BadConfig the adapters of LangChain need the package langchain-core")
    assert "[langchain]" in told
