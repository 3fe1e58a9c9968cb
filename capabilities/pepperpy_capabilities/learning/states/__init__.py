"""What is learned, kept on the bus: small states in keys, large ones in the object store."""

from pepperpy_capabilities.learning.states.changes import Changed, Spoiled
from pepperpy_capabilities.learning.states.keeper import Keeper
from pepperpy_capabilities.learning.states.marks import Once

__all__ = ["Changed", "Keeper", "Once", "Spoiled"]
