"""The test of OpenAI's agents runs in an environment of its own: see `test_frameworks.py`."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("agents") else ["test_*.py"]
