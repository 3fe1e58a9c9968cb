"""Whether the parts of a deployment do their work."""

from typing import Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Instant

Status: TypeAlias = Literal["ok", "degraded", "down", "unknown"]


class ComponentHealth(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Whether a part of the deployment does its work.

    Attributes:
        name: What it is called: ``broker``, ``provider/7f3a``, ``memory/postgresql``.
        kind: ``broker``, ``agent``, ``provider``, ``memory``, ``monitor``, ``edge``, …
        status: How it is.
        reason: Why, in a sentence for people; empty when all is well.
        at: When that was found.
        since: Since when it is so.
        details: More values, for people.
    """

    name: str
    kind: str
    status: Status
    reason: str = ""
    at: Instant | None = None
    since: Instant | None = None
    details: dict[str, Any] = {}
