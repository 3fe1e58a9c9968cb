"""The reasoners that come with PepperPy, in the order in which they are shown."""

from typing import Any

from pepperpy_capabilities.reasoning.deciding.reasoner import DecisionReasoner
from pepperpy_capabilities.reasoning.reasoner import Reasoner

BUILT_IN: tuple[Reasoner[Any, Any], ...] = (DecisionReasoner(),)
