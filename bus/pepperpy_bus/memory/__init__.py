"""What agents remember, over the bus: put, found, linked, forgotten."""

from pepperpy_bus.memory.client import Memory
from pepperpy_bus.memory.options import Changes, EntryOptions, SearchOptions

__all__ = ["Changes", "EntryOptions", "Memory", "SearchOptions"]
