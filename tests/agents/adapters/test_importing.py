"""Frameworks that are not installed are named, with the command that installs them."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
import pepperpy, pepperpy_agents.adapters.calling, pepperpy_agents.adapters.making
pepperpy.LLMAgent("a", "b", tools=["calculator"])
print([name for name in sys.modules if name.startswith(("autogen", "agent_framework"))])
sys.modules["{package}"] = None
try:
    import pepperpy_agents.adapters.{adapter}
except Exception as error:
    print(type(error).__name__, error, error.hint)
"""


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [
        ("autogen", "autogen_agentchat", "autogen"),
        ("agent_framework", "agent_framework", "agent-framework"),
    ],
)
def test_a_framework_is_imported_by_its_adapter_alone_and_its_package_is_named(
    adapter: str, package: str, extra: str
) -> None:
    program = WITHOUT.format(adapter=adapter, package=package)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    nothing, told = done.stdout.splitlines()
    assert nothing == "[]"
    assert told.startswith("BadConfig the adapter")
    assert package.replace("_", "-") in told
    assert f"[{extra}]" in told
