"""Snapshots as lists show them."""

import msgspec

from pepperpy_schemas.messages import Count, Instant


class SnapshotRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A snapshot of the fleet, as lists show it.

    Attributes:
        id: Its id.
        at: When it was taken.
        reason: ``periodic``, or what the one who took it said.
        by: Who took it.
        bytes: Its size.
        tasks: Tasks in it.
        firing: Alerts that fired then.
    """

    id: str
    at: Instant
    reason: str
    by: str = ""
    bytes: Count = 0
    tasks: Count = 0
    firing: Count = 0
