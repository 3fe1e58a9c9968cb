"""The record of a topic that several versions share."""

import msgspec

from pepperpy_schemas.messages import Count, Instant


class Split(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which part of a topic's tasks each version gets.

    Attributes:
        weights: Versions with their weights; the parts are in proportion to these. Empty when the
            tasks go to whichever worker is free.
        lanes: All versions in whose lanes there may be tasks, those without a weight included.
        since: When the weights were set.
        by: Who set them.
    """

    weights: dict[str, Count]
    lanes: list[str] = []
    since: Instant | None = None
    by: str = ""
