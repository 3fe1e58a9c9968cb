"""Who should pull from which shard: a new table from the old one, with no input or output.

Every worker computes this from the same table and writes it by compare-and-set, so no process is
in charge. What belongs to nobody is given to whoever has the least to do; of what belongs to
somebody alive, only the owner itself gives away.

While the topic is split among versions, each shard has a home: the version that its keys go to. It
belongs to a worker of that version as long as there is one.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from math import inf
from typing import Final, Literal

import msgspec

from pepperpy_bus.streams.topology import SHARDS
from pepperpy_bus.versions.sharing_out import homes, in_force
from pepperpy_schemas.sharding import MISSED_BEATS, Shard, ShardMember, ShardTable

WEIGHT: Final = 0.05
"""Load that a shard without work counts for, so that these are spread too."""
SETTLED: Final = MISSED_BEATS
"""Heartbeats that a shard stays where it came to before it is moved for the balance."""


class ShardingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker takes part in shards.

    Attributes:
        capacity: The most keyed tasks that it runs at once.
        min_free_capacity: Below this much free capacity it gets no new shard.
        rebalance_threshold: A gap between the loads of two workers above this part of the mean
            load moves shards.
        heartbeat_interval: Seconds between its heartbeats; three missed ones mean that it failed.
    """

    capacity: int = 100
    min_free_capacity: int = 10
    rebalance_threshold: float = 0.2
    heartbeat_interval: float = 5.0

    @property
    def patience(self) -> float:
        """Seconds after which a worker without a sign of life has failed."""
        return MISSED_BEATS * self.heartbeat_interval


class Change(msgspec.Struct, frozen=True):
    """What became of a shard.

    Attributes:
        shard: Its number.
        verb: ``assigned``: it had no owner. ``moved``: from one to the other. ``lost``: its owner
            has failed.
        owner: The new owner, or empty.
        before: The old one, or empty.
    """

    shard: int
    verb: Literal["assigned", "moved", "lost"]
    owner: str
    before: str


class Balance:
    """A table that is being changed, as one moment sees it.

    Args:
        table: The table; None before there was any.
        now: The moment, by the server's clock.
        weights: The weights of the versions that share the topic; none when it is not split.
    """

    def __init__(
        self, table: ShardTable | None, now: datetime, weights: Mapping[str, int] | None = None
    ) -> None:
        self._now = now
        self._weights = weights or {}
        self.members: dict[str, ShardMember] = dict(table.members) if table else {}
        self.shards: list[Shard] = list(table.shards) if table else []
        self.shards += [Shard()] * (SHARDS - len(self.shards))
        self.changes: list[Change] = []
        self._given: dict[str, float] = {}

    @property
    def table(self) -> ShardTable:
        """The table as it is now."""
        return ShardTable(self.members, self.shards)

    def owned(self, member: str) -> list[int]:
        """Returns the shards of a member."""
        return [n for n, shard in enumerate(self.shards) if shard.owner == member]

    def load(self, member: str) -> float:
        """Returns what the shards of a member weigh."""
        return sum(_weight(shard) for shard in self.shards if shard.owner == member)

    def join(self, member: str, vitals: ShardMember) -> None:
        """Takes note that a member is alive."""
        self.members[member] = vitals

    def measure(self, member: str, loads: Mapping[int, float]) -> None:
        """Takes note of the loads of the shards that a member owns."""
        for n in self.owned(member):
            load = loads.get(n, self.shards[n].load)
            self.shards[n] = msgspec.structs.replace(self.shards[n], load=round(load, 3))

    def leave(self, member: str) -> None:
        """Removes a member that stops, and gives what it owned to the others."""
        self.members.pop(member, None)
        for n in self._by_weight(self.owned(member)):
            taker = self._taker(n)
            if taker:
                self._give(n, taker, "moved")
            else:
                self.shards[n] = msgspec.structs.replace(self.shards[n], owner="")

    def drop_failed(self) -> None:
        """Removes the members that have missed their heartbeats; their shards belong to nobody."""
        failed = [name for name, one in self.members.items() if one.has_failed(self._now)]
        for name in failed:
            del self.members[name]
        for n, shard in enumerate(self.shards):
            if shard.owner and shard.owner not in self.members:
                self.shards[n] = msgspec.structs.replace(shard, owner="")
                self.changes.append(Change(n, "lost", "", shard.owner))

    def next_failure(self, *, other_than: str) -> float:
        """Returns the seconds until a member fails unless there is a heartbeat of it before."""
        patience = (
            MISSED_BEATS * one.every - (self._now - one.beat).total_seconds()
            for name, one in self.members.items()
            if name != other_than
        )
        return min(patience, default=inf)

    def place(self) -> None:
        """Gives what belongs to nobody to whoever has the least to do and may take more."""
        free = [n for n, shard in enumerate(self.shards) if not shard.owner]
        for n in self._by_weight(free):
            taker = self._taker(n)
            if taker:
                self._give(n, taker, "assigned")

    def send_home(self, giver: str) -> None:
        """Gives those shards of a member away whose keys go to another version."""
        homes = self._homes()
        for n in self._by_weight(self.owned(giver)):
            if homes[n] and homes[n] != self.members[giver].version:
                taker = self._taker(n)
                if taker:
                    self._give(n, taker, "moved")

    def even_out(self, giver: str, threshold: float) -> None:
        """Moves shards of a member to those that have less to do, while the gap is too large."""
        peers = self._peers(giver)
        while taker := self._least_loaded(peers - {giver}):
            gap = self.load(giver) - self.load(taker)
            mean = sum(map(self.load, peers)) / len(peers)
            if gap <= threshold * mean:
                return
            # Only what narrows the gap, best by half of it.
            fitting = [n for n in self._movable(giver) if _weight(self.shards[n]) < gap]
            if not fitting:
                return
            best = min(fitting, key=lambda n: abs(_weight(self.shards[n]) - gap / 2))
            self._give(best, taker, "moved")

    def _movable(self, member: str) -> list[int]:
        settled = timedelta(seconds=SETTLED * self.members[member].every)
        return [n for n in self.owned(member) if self._now - self._since(n) >= settled]

    def _since(self, n: int) -> datetime:
        return self.shards[n].since or datetime.min.replace(tzinfo=self._now.tzinfo)

    def _homes(self) -> Sequence[str]:
        versions = {one.version for one in self.members.values()}
        return homes(in_force(self._weights, versions), len(self.shards))

    def _peers(self, member: str) -> set[str]:
        """Who may have the shards that a member has: all, or those of its version."""
        version = self.members[member].version
        split = in_force(self._weights, {one.version for one in self.members.values()})
        return {name for name, one in self.members.items() if not split or one.version == version}

    def _taker(self, n: int) -> str:
        """Who gets a shard: the least loaded of those that may have it; empty for none."""
        home = self._homes()[n]
        return self._least_loaded(
            {name for name, one in self.members.items() if home in ("", one.version)}
        )

    def _least_loaded(self, among: Set[str]) -> str:
        """The member with the least load of those that may get one more; empty for none."""
        able = [
            name
            for name, one in self.members.items()
            if name in among and one.free - self._given.get(name, 0.0) >= max(1, one.min_free)
        ]
        return min(able, key=lambda name: (self.load(name), name), default="")

    def _by_weight(self, shards: list[int]) -> list[int]:
        return sorted(shards, key=lambda n: (-_weight(self.shards[n]), n))

    def _give(self, n: int, taker: str, verb: Literal["assigned", "moved"]) -> None:
        shard = self.shards[n]
        self.changes.append(Change(n, verb, taker, shard.owner))
        self._given[taker] = self._given.get(taker, 0.0) + shard.load
        self.shards[n] = Shard(taker, self._now, shard.moves + 1, shard.load)


def _weight(shard: Shard) -> float:
    return WEIGHT + shard.load
