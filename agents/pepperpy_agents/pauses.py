"""How long what is given back rests before it is delivered again.

The server counts deliveries, and gives up what was delivered too often. Pauses that grow keep what
passes by itself, like a replica that is behind, from using them up.
"""

from typing import Final

AHEAD: Final = 0.2
"""Seconds before a wake is looked at again that came too early, or met a running attempt."""
UNANSWERED: Final = 1.0
"""Seconds before a delivery comes again that could not be settled, because nobody answered."""
LONGEST: Final = 30.0
"""Seconds that no pause exceeds."""


def pause(deliveries: int, first: float) -> float:
    """Returns the seconds before the next delivery; each one waits twice as long as the last.

    Args:
        deliveries: How often it has been delivered, this time included.
        first: Seconds to wait after the first delivery.
    """
    return min(LONGEST, first * 2.0 ** min(max(0, deliveries - 1), 16))
