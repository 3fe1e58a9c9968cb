"""The shards of keyed tasks as anybody sees them: who owns them, and how far behind they are."""

import asyncio
from datetime import datetime

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.consumers import shard_consumer
from pepperpy_bus.streams.figures import ConsumerFigures, stream_figures
from pepperpy_schemas.catalog.sharding import KEY_HOLD, SHARD_TABLE
from pepperpy_schemas.sharding import Shard, ShardTable
from pepperpy_schemas.subjects import stream_name


class ShardView(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of a topic.

    Attributes:
        topic: The topic.
        shard: Its number.
        owner: The instance that pulls from it, ``agent/instance``; empty for nobody.
        load: The share of the time that a task of it is in hand.
        lag: Tasks that it has not done; null when this user may not see that.
        held: Keys that a suspended task holds.
        moved: When it came to its owner, by the server's clock.
        moves: How often it has got an owner.
    """

    topic: str
    shard: int
    owner: str
    load: float
    lag: int | None
    held: int
    moved: datetime | None
    moves: int


async def look_at_shards(
    connection: Connection, prefix: str, *, topic: str = "", now: datetime | None = None
) -> list[ShardView]:
    """Returns the shards of every topic that has keyed tasks, in order.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        topic: Only of this topic.
        now: The server's time: owners that have failed by then are none; by default all count.
    """
    cells = Cells(connection, prefix)
    wanted = {"topic": topic} if topic else {}
    tables, holds, figures = await asyncio.gather(
        cells.bucket.entries(cells.pattern(SHARD_TABLE, **wanted)),
        cells.bucket.entries(cells.pattern(KEY_HOLD, **wanted)),
        stream_figures(connection, stream_name(prefix, "KEYED")),
    )
    held = [tuple(one.key.split(".")[1:3]) for one in holds]
    behind = _by_name(figures.consumers if figures is not None else ())
    views: list[ShardView] = []
    for entry in sorted(tables, key=lambda one: one.key):
        name, table = entry.key.rpartition(".")[2], SHARD_TABLE.decode(entry.value)
        for n, shard in enumerate(table.shards):
            consumer = shard_consumer(prefix, name, n, patience=0.0)["name"]
            views.append(
                ShardView(
                    topic=name,
                    shard=n,
                    owner=_owner(table, shard, now),
                    load=shard.load,
                    lag=None if behind is None else behind.get(consumer, 0),
                    held=held.count((name, str(n))),
                    moved=shard.since,
                    moves=shard.moves,
                )
            )
    return views


def _owner(table: ShardTable, shard: Shard, now: datetime | None) -> str:
    owner = table.members.get(shard.owner)
    failed = owner is None or (now is not None and owner.has_failed(now))
    return "" if failed else shard.owner


def _by_name(consumers: tuple[ConsumerFigures, ...] | None) -> dict[str, int] | None:
    return None if consumers is None else {one.name: one.lag for one in consumers}
