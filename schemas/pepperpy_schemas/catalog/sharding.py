"""Which worker has which keyed tasks."""

from typing import Final

import msgspec

from pepperpy_schemas.sharding import KeyHold, ShardTable
from pepperpy_schemas.subjects import Subject

SHARDED_TASK: Final = Subject(
    "ShardedTask",
    "{p}.sh.{topic}.{shard}.{key}.{id}",
    msgspec.Raw,
    "Where the server keeps a keyed task; workers set those aside there that wait for their key.",
    "KEYED",
)
SHARD_CONTROL: Final = Subject(
    "ShardControl",
    "{p}.ctl.shards.{topic}",
    msgspec.Raw,
    "The shards of a topic have other owners: look.",
)
SHARD_TABLE: Final = Subject(
    "ShardTable",
    "$KV.{p}_state.shards.{topic}",
    ShardTable,
    "Which worker pulls from which shard of a topic's keyed tasks.",
)
KEY_HOLD: Final = Subject(
    "KeyHold",
    "$KV.{p}_state.hold.{topic}.{shard}.{key}",
    KeyHold,
    "Which task a key waits for.",
)
