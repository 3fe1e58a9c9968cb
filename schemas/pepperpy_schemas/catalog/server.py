"""The server's own subjects that we read or write."""

from typing import Final

from pepperpy_schemas.messages import MaxDeliveries
from pepperpy_schemas.subjects import Subject

ADVISORY: Final = Subject(
    "MaxDeliveries",
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream}.{consumer}",
    MaxDeliveries,
    "The server gives a message up: its workers may be in a crash loop.",
    "ADV",
)
BLOB_CHUNK: Final = "$O.{bucket}.C.{nuid}"
"""A piece of an object in an object store bucket (NATS ADR-20)."""
BLOB_META: Final = "$O.{bucket}.M.{name}"
"""What is known of an object; its name in base64url."""
SOURCED: Final = "_SOURCE.{stream}"
"""Where the server hands messages of a stream to the one that takes from it; no user's business."""
MICRO: Final = "$SRV"
"""First token of what discovers services: ``$SRV.PING|INFO|STATS[.<name>[.<id>]]`` (ADR-32)."""
HOP: Final = "{p}.hop"
"""Where a server tells what it did with messages of a trace, in deployments that ask for it."""
NOTED: Final = "{p}.noted"
"""First tokens of the server's own copy of what was stored, without its body: the rest of the
subject follows. Clients cannot write it; the audit log is made of it."""
