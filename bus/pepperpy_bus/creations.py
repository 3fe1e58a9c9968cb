"""How often agents were made, and could not be: exact sums over all processes, by version."""

from typing import Final

import msgspec

from pepperpy_bus.counters import Counters
from pepperpy_bus.link.connection import Connection

CREATED: Final = "agents_created"
"""Agents made, by name and version: ``support 1.2.0``."""
FAILED: Final = "agents_create_failed"
"""Agents that could not be made, by name and version; by reference when they had neither yet."""
SPENT: Final = "agents_create_us"
"""Microseconds that the making of agents took, by name and version."""


class Creations(msgspec.Struct, frozen=True):
    """The making of agents of one name and version, in all processes so far.

    Attributes:
        agent: Name and version, or the reference of what had neither yet.
        created: How many were made.
        failed: How many could not be.
        mean_ms: Milliseconds that one took on average; null when none was made.
    """

    agent: str
    created: int
    failed: int
    mean_ms: float | None


async def creations(connection: Connection, prefix: str) -> list[Creations]:
    """Returns how the making of agents went, by name and version."""
    counters = Counters(connection, prefix)
    created = await _sums(counters, CREATED)
    failed = await _sums(counters, FAILED)
    spent = await _sums(counters, SPENT)
    return [
        Creations(
            label,
            made := created.get(label, 0),
            failed.get(label, 0),
            round(spent.get(label, 0) / made / 1e3, 3) if made else None,
        )
        for label in sorted({*created, *failed})
    ]


async def _sums(counters: Counters, metric: str) -> dict[str, int]:
    return {one.label: one.value for one in await counters.all(metric)}
