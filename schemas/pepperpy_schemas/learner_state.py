"""What is stored of a learner: its state, or where that lies, and what it has counted."""

from typing import Final

import msgspec

from pepperpy_schemas.messages import Count, Instant

LEARNED: Final = "learned"
"""The object store of states that are too large for a key."""


class Marks(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which changes a state has in it, so that none is made twice.

    Each mark is eight bytes of a hash of the change's id. They are kept in two generations: when
    the newer one is full it becomes the older one, and that one is forgotten.

    Attributes:
        newer: The marks of the last changes.
        older: Those of the changes before them.
        began: When the first of the newer ones was made.
        since: Changes that were asked for after this moment have their marks; all have without it.
    """

    newer: bytes = b""
    older: bytes = b""
    began: Instant | None = None
    since: Instant | None = None


class LearnerState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The state of a learner at a version of it.

    Attributes:
        version: How many times it was changed.
        changed: When it was changed last.
        state: What the learner saved, when that is small.
        blob: A reference to it in the object store, when it is large.
        marks: The changes that are in it.
    """

    version: Count
    changed: Instant
    state: bytes = b""
    blob: str = ""
    marks: Marks = Marks()
