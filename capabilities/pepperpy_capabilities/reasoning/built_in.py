"""The reasoners that come with PepperPy, in the order in which they are shown."""

from typing import Any

from pepperpy_capabilities.reasoning.constraints.reasoner import ConstraintReasoner
from pepperpy_capabilities.reasoning.deciding.reasoner import DecisionReasoner
from pepperpy_capabilities.reasoning.models.reasoner import MODEL_REASONERS
from pepperpy_capabilities.reasoning.patterns.reasoner import Patterns
from pepperpy_capabilities.reasoning.reasoner import Reasoner
from pepperpy_capabilities.reasoning.rules.rules import Rules

BUILT_IN: tuple[Reasoner[Any, Any], ...] = (
    Rules(),
    Patterns(),
    DecisionReasoner(),
    ConstraintReasoner(),
    *MODEL_REASONERS,
)
