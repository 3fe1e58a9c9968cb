"""The records of keyed tasks: who pulls which shard, and which task holds its key."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from pepperpy_schemas.messages import Count, Instant

Share = Annotated[float, msgspec.Meta(ge=0)]

MISSED_BEATS = 3
"""A worker that has missed so many heartbeats has failed."""


class ShardMember(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker that takes part in a topic's shards.

    Attributes:
        beat: Its last heartbeat, by the server's clock.
        every: Seconds between its heartbeats.
        capacity: The most keyed tasks that it runs at once.
        min_free: Below this much free capacity it gets no new shard.
        held: The keyed tasks that it has in hand, of all topics.
        version: The version of its agent.
    """

    beat: Instant
    every: Share
    capacity: Count
    min_free: Count = 0
    held: Count = 0
    version: str = ""

    def has_failed(self, now: datetime) -> bool:
        """Whether it has missed its heartbeats."""
        return now - self.beat > timedelta(seconds=MISSED_BEATS * self.every)

    @property
    def free(self) -> int:
        """How many more keyed tasks it could run."""
        return self.capacity - self.held


class Shard(msgspec.Struct, frozen=True, omit_defaults=True):
    """One shard of a topic.

    Attributes:
        owner: The instance that pulls from it, ``agent/instance``; empty for nobody.
        since: When that began, by the server's clock.
        moves: How often it has got an owner.
        load: The share of the time that a task of it is in hand, from 0 to 1.
    """

    owner: str = ""
    since: Instant | None = None
    moves: Count = 0
    load: Share = 0.0


class ShardTable(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who pulls from which shard of a topic.

    Attributes:
        members: Who takes part, by instance.
        shards: All shards, in order.
    """

    members: dict[str, ShardMember] = {}
    shards: list[Shard] = []


class KeyHold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task holds its key while it is not in its shard; later ones of the key wait.

    Attributes:
        holder: The task.
        state: ``suspended``: it waits, or goes on after that. ``resting``: a long back-off.
            ``called``: it had waited for the key, and was woken when it was its turn.
        since: When it got the key, by the server's clock.
        due: When a back-off is over, by the server's clock.
        parked: Sequence number of the last message that was set aside, or 0.
    """

    holder: str
    state: Literal["suspended", "resting", "called"]
    since: Instant
    due: Instant | None = None
    parked: Count = 0
