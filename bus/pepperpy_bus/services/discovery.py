"""How a service tells what it is: NATS micro's PING, INFO and STATS (ADR-32).

``nats micro ls`` and every other tool of that kind finds our services by it.
"""

from typing import Any, Final

import msgspec

from pepperpy_schemas.catalog.server import MICRO

QUEUE: Final = "q"
"""Queue group of every endpoint: replicas share the requests."""

_TYPE: Final = "io.nats.micro.v1.{verb}_response"
_VERBS: Final = ("PING", "INFO", "STATS")


class Figures(msgspec.Struct):
    """What an endpoint has done since the service started.

    Attributes:
        requests: Requests that were taken or refused.
        errors: Those that were answered with an error.
        last_error: The last of these errors.
        nanoseconds: Time that they ran, all together.
        overloaded: Requests refused because too many waited.
        refused: Requests whose reply subject was none that may be answered.
    """

    requests: int = 0
    errors: int = 0
    last_error: str = ""
    nanoseconds: int = 0
    overloaded: int = 0
    refused: int = 0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself.

    Attributes:
        name: Its name.
        id: Id of this replica.
        version: Its semantic version.
        description: One sentence.
        started: When it started, RFC 3339.
        metadata: Named values.
        endpoints: Subject of each operation, and what is told of it by name.
    """

    name: str
    id: str
    version: str
    description: str
    started: str
    metadata: dict[str, str]
    endpoints: dict[str, tuple[str, dict[str, str]]]


def subjects(name: str, id_: str) -> tuple[str, str, str]:
    """Returns what a replica listens on to be discovered."""
    return f"{MICRO}.*", f"{MICRO}.*.{name}", f"{MICRO}.*.{name}.{id_}"


def answer(
    subject: str, profile: Profile, figures: dict[str, Figures], load: dict[str, int]
) -> dict[str, Any] | None:
    """Returns the answer to a question of discovery, or None when it is no such question.

    Args:
        subject: The question.
        profile: What the service is.
        figures: What each endpoint has done.
        load: How busy the service is.
    """
    verb = subject.split(".")[1]
    if verb not in _VERBS:
        return None
    said: dict[str, Any] = {
        "type": _TYPE.format(verb=verb.lower()),
        "name": profile.name,
        "id": profile.id,
        "version": profile.version,
        "metadata": profile.metadata,
    }
    if verb == "INFO":
        said["description"] = profile.description
        said["endpoints"] = [_endpoint(op, profile) for op in profile.endpoints]
    elif verb == "STATS":
        said["started"] = profile.started
        said["endpoints"] = [
            _statistics(op, profile, figures[op], load) for op in profile.endpoints
        ]
    return said


def _endpoint(op: str, profile: Profile) -> dict[str, Any]:
    subject, metadata = profile.endpoints[op]
    return {"name": op, "subject": subject, "queue_group": QUEUE, "metadata": metadata}


def _statistics(
    op: str, profile: Profile, figures: Figures, load: dict[str, int]
) -> dict[str, Any]:
    return {
        "name": op,
        "subject": profile.endpoints[op][0],
        "queue_group": QUEUE,
        "num_requests": figures.requests,
        "num_errors": figures.errors,
        "last_error": figures.last_error,
        "processing_time": figures.nanoseconds,
        "average_processing_time": figures.nanoseconds // max(1, figures.requests),
        "data": {**load, "overloaded": figures.overloaded, "refused": figures.refused},
    }
