"""What a handler did in a unit call."""

from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True):
    """A step that was done: its name, and what it returned."""

    name: str
    value: Any


class Asked(msgspec.Struct, frozen=True):
    """A question to people, and the answer it got."""

    text: str
    choices: list[Any]
    answer: Any


class Told(msgspec.Struct, frozen=True):
    """An event that was emitted: its name, and its values."""

    name: str
    data: dict[str, Any]


class Child(msgspec.Struct, frozen=True):
    """A task that was submitted."""

    id: str
    topic: str
    data: Any
    options: dict[str, Any]
