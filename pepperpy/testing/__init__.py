"""Testing one's own agents: the fixture ``pepper``, and `unit` for one handler without a bus.

With pytest and pytest-asyncio installed the fixture is there by itself. Nothing of it is imported
before a test asks for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pepperpy.testing.calling import Played, unit
    from pepperpy.testing.model import ScriptedModel
    from pepperpy.testing.pepper import Pepper

_HOMES = {
    "Pepper": "pepperpy.testing.pepper",
    "Played": "pepperpy.testing.calling",
    "ScriptedModel": "pepperpy.testing.model",
    "unit": "pepperpy.testing.calling",
}

__all__ = ["Pepper", "Played", "ScriptedModel", "unit"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
