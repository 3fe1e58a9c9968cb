"""Errors in groups."""

import msgspec

from pepperpy_schemas.messages import Count, Instant


class ErrorGroup(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Errors that are one: of one code, with one message but for numbers, ids and paths in it.

    Attributes:
        fingerprint: The group's id.
        code: The code.
        message: The message, with ``#`` where they differ.
        sample: The last of them, as it was.
        count: How many there were.
        first: When the first was seen.
        last: When the last was seen.
        rate: How many per second, over the last five minutes.
        topics: Topics where they were seen, at most 8.
        agents: Agents where they were seen, at most 8.
        tasks: The last tasks that had one, at most 8.
    """

    fingerprint: str
    code: str
    message: str = ""
    sample: str = ""
    count: Count = 0
    first: Instant | None = None
    last: Instant | None = None
    rate: float = 0.0
    topics: list[str] = []
    agents: list[str] = []
    tasks: list[str] = []
