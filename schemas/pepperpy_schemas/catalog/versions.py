"""Several versions of an agent side by side."""

from typing import Final

import msgspec

from pepperpy_schemas.splits import Split
from pepperpy_schemas.subjects import Subject

SPLIT: Final = Subject(
    "Split",
    "$KV.{p}_state.split.{topic}",
    Split,
    "Which part of a topic's tasks each version gets.",
    examples=('{"weights":{"1.0.0":90,"1.1.0":10},"lanes":["1.0.0","1.1.0"]}',),
)
SPLIT_CONTROL: Final = Subject(
    "SplitControl",
    "{p}.ctl.split.{topic}",
    msgspec.Raw,
    "The versions of a topic have other weights: look.",
)
