"""Which changes are in a state: a change that comes again is known by its mark.

A worker that dies after its change was stored and before its task was settled leaves a task that
is delivered again. The mark is stored together with the change, so either both are there or none.
"""

import hashlib
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_schemas.errors import Conflict
from pepperpy_schemas.learner_state import Marks

SIZE: Final = 8
"""Bytes of a mark: two of some thousands are alike by chance once in 10¹² learners."""
GENERATION: Final = 2048
"""Marks of one generation; two are kept."""


class Once(msgspec.Struct, frozen=True):
    """A change that is to be made once, however often it is tried.

    Attributes:
        id: Its name, the same each time.
        asked: When it was asked for first.
        now: When it is tried, by the same clock.
    """

    id: str
    asked: datetime
    now: datetime


def is_marked(marks: Marks, once: Once) -> bool:
    """Returns whether a change is in the state.

    Raises:
        Conflict: It is so old that its mark may have been forgotten: nobody can tell.
    """
    mark = _mark(once.id)
    if _has(marks.newer, mark) or _has(marks.older, mark):
        return True
    if marks.since is not None and once.asked <= marks.since:
        raise Conflict(
            f"whether {once.id} was learned before cannot be told: "
            f"more than {GENERATION} changes were made since it was asked for",
            hint="look at the version of the learner, and send it under a new id",
            context={"id": once.id},
        )
    return False


def marked(marks: Marks, once: Once) -> Marks:
    """Returns the marks with that of one more change."""
    mark = _mark(once.id)
    if len(marks.newer) < GENERATION * SIZE:
        return msgspec.structs.replace(
            marks, newer=marks.newer + mark, began=marks.began or once.now
        )
    # What is forgotten now was made before the first of those that become the older ones; the first
    # time that is nothing.
    since = marks.began if marks.older else None
    return Marks(newer=mark, older=marks.newer, began=once.now, since=since)


def _mark(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=SIZE).digest()


def _has(marks: bytes, mark: bytes) -> bool:
    at = marks.find(mark)
    while at % SIZE and at > 0:
        at = marks.find(mark, at + 1)
    return at >= 0
