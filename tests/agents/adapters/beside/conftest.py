"""The test of OpenAI's agents runs in an environment of its own: see `test_frameworks.py`."""

from importlib.util import find_spec

# Where theirs is not installed, the folder that ours lies in may be found: it has no origin.
_found = find_spec("agents")
collect_ignore_glob = [] if _found and _found.origin else ["test_*.py"]
