"""Entries of the audit log as lists show them."""

from typing import Any

import msgspec

from pepperpy_schemas.messages import Count, Instant


class AuditRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry of the audit log.

    Attributes:
        seq: Its number in the log.
        at: When the server stored it.
        by: Who did it.
        claimed: Whether ``by`` is only what the sender says; else the broker has made sure of it.
        action: What was done: ``cancel``, ``replay``, ``answer``, ``grant``.
        target: To what.
        data: More values.
        hash: SHA-256 of it and of the one before, in hexadecimal.
    """

    seq: Count
    at: Instant
    by: str
    claimed: bool = False
    action: str
    target: str = ""
    data: dict[str, Any] = {}
    hash: str = ""
