"""The tests of AutoGen run in an environment of their own: see `test_frameworks.py`."""

from importlib.util import find_spec

from tests.agents.adapters.langchain.conftest import model  # noqa: F401 - a fixture
from tests.provider_svc.gateway.conftest import serving  # noqa: F401 - a fixture

collect_ignore_glob = [] if find_spec("autogen_agentchat") else ["test_*.py"]
