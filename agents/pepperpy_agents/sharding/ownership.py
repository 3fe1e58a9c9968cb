"""Which shards of a topic this worker owns, as the table in the bucket ``state`` says.

The table is the only place where that stands. A worker writes its heartbeat into it, drops who has
missed theirs, places what belongs to nobody and gives away what it has too much of, all in one
compare-and-set. Whoever changes an owner tells the others to look.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from pepperpy_agents.sharding.assignment import Balance, Change, ShardingOptions
from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_schemas.catalog.sharding import SHARD_CONTROL, SHARD_TABLE
from pepperpy_schemas.sharding import ShardMember, ShardTable

log = get_log("pepperpy.shards")

_SOON = 0.5
_SLACK = 0.02


class Ownership:
    """The part of one worker in the shards of one topic.

    Args:
        client: The client.
        topic: The topic.
        instance: The worker's instance, ``agent/instance``.
        emitter: Where events go.
        clock: The server's clock.
        version: The version of the worker's agent.
        weights: Gives the weights of the versions that share the topic; none without a split.

    Attributes:
        owned: The shards that this worker owned when it looked last.
        next_look: Seconds from then to the next look at the latest: as soon as somebody fails.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        instance: str,
        emitter: Emitter,
        clock: ServerClock,
        version: str,
        weights: Callable[[], Mapping[str, int]],
    ) -> None:
        self._connection = client.connection
        self._cells = Cells(client.connection, client.prefix)
        self._key = self._cells.key(SHARD_TABLE, topic=topic)
        self._control = SHARD_CONTROL.of(client.prefix, topic=topic)
        self._topic = topic
        self._instance = instance
        self._emitter = emitter
        self._clock = clock
        self._version = version
        self._weights = weights
        self.owned: frozenset[int] = frozenset()
        self.next_look = 0.0
        self._unowned = 0

    async def join(self, options: ShardingOptions) -> None:
        """Takes part without taking a shard: who comes first would get all of them."""

        def edit(balance: Balance) -> None:
            balance.join(self._instance, self._vitals(options, 0))

        await self._change(edit, placed=False)

    async def renew(self, options: ShardingOptions, loads: Mapping[int, float], held: int) -> None:
        """Says that this worker is alive, and brings the table into order.

        Args:
            options: How the worker takes part.
            loads: The loads of its shards.
            held: The keyed tasks that it has in hand, of all topics.
        """

        def edit(balance: Balance) -> None:
            balance.join(self._instance, self._vitals(options, held))
            balance.measure(self._instance, loads)
            balance.drop_failed()
            balance.send_home(self._instance)
            balance.place()
            balance.even_out(self._instance, options.rebalance_threshold)
            failing = balance.next_failure(other_than=self._instance)
            self.next_look = min(options.heartbeat_interval, failing + _SLACK)

        fresh_for = timedelta(seconds=options.heartbeat_interval * _SOON)
        await self._change(edit, fresh_for=fresh_for)

    async def leave(self) -> None:
        """Hands everything to the others."""

        def edit(balance: Balance) -> None:
            balance.drop_failed()
            balance.leave(self._instance)
            balance.place()

        await self._change(edit)

    async def _change(
        self,
        edit: Callable[[Balance], None],
        *,
        fresh_for: timedelta = timedelta(0),
        placed: bool = True,
    ) -> None:
        changes: list[Change] = []
        owned: list[int] = []
        unowned = 0

        def edited(before: bytes | None) -> bytes | None:
            nonlocal unowned
            table = None if before is None else SHARD_TABLE.decode(before)
            balance = Balance(table, self._clock.now(), self._weights())
            edit(balance)
            changes[:] = balance.changes
            owned[:] = balance.owned(self._instance)
            unowned = len(balance.owned("")) if self._instance in balance.members else 0
            if table is not None and not changes and self._is_fresh(table, fresh_for):
                return None
            return SHARD_TABLE.encode(balance.table)

        await self._cells.change(self._key, edited)
        self.owned = frozenset(owned)
        if changes:
            await self._tell(changes)
        if placed:
            self._say_unowned(unowned)

    def _say_unowned(self, unowned: int) -> None:
        """Tells people once that tasks lie in shards which nobody has room for."""
        if unowned and not self._unowned:
            log.warning("shards.unowned", topic=self._topic, shards=unowned)
        self._unowned = unowned

    def _is_fresh(self, table: ShardTable, fresh_for: timedelta) -> bool:
        """Whether the worker's own heartbeat is so young that it need not be written again."""
        mine = table.members.get(self._instance)
        return mine is not None and self._clock.now() - mine.beat < fresh_for

    def _vitals(self, options: ShardingOptions, held: int) -> ShardMember:
        return ShardMember(
            self._clock.now(),
            options.heartbeat_interval,
            options.capacity,
            options.min_free_capacity,
            held,
            self._version,
        )

    async def _tell(self, changes: list[Change]) -> None:
        await self._connection.publish(self._control, b"")
        for change in changes:
            await self._emitter.emit(
                "shard",
                change.verb,
                scope=self._topic,
                id=str(change.shard),
                data={"owner": change.owner, "before": change.before, "by": self._instance},
            )
        log.info("shards.changed", topic=self._topic, changes=len(changes), owned=len(self.owned))
