"""Requests to services of any kind."""

from typing import Final

import msgspec

from pepperpy_schemas.messages import CancelRequest
from pepperpy_schemas.subjects import Subject

SERVICE: Final = Subject(
    "ServiceRequest",
    "{p}.svc.{service}.{op}.{principal}",
    msgspec.Raw,
    "A request to a service; the last token is the caller, true by permission.",
)
STOP: Final = Subject(
    "Stop",
    "{p}.ctl.stop.{id}",
    CancelRequest,
    "Nobody waits for the answer to a service request any more: whoever works on it stops.",
)
