"""What a rendering may take: steps, time, and the size of every value on the way.

A template is data: it may come from somebody who wants the process to hang. Sizes and steps are
counted where they grow, so that no operation between two looks at the clock is a long one.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one rendering.

    Attributes:
        source: Characters of a template's file.
        values: Bytes that all variables have as JSON.
        output: Characters that are written.
        value: Characters, or elements with all that is in them, of one value on the way.
        steps: Rounds of loops, elements looked at, and pieces written.
        seconds: How long it may take.
        includes: How deep includes may lie in each other.
    """

    source: int = 256 * 1024
    values: int = 4 * 1024 * 1024
    output: int = 1024 * 1024
    value: int = 1024 * 1024
    steps: int = 200_000
    seconds: float = 5.0
    includes: int = 8


class OverBounds(Exception):
    """A rendering takes more than it may; the message says of what."""


class Meter:
    """Counts what one rendering takes.

    Args:
        bounds: What it may take.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._steps = 0
        self._written = 0
        self._deadline = time.monotonic() + bounds.seconds

    def tick(self, steps: int = 1) -> None:
        """Counts steps.

        Raises:
            OverBounds: They are too many, or take too long.
        """
        self._steps += steps
        if self._steps > self._bounds.steps:
            raise OverBounds(f"it takes more than {self._bounds.steps} steps")
        if time.monotonic() > self._deadline:
            raise OverBounds(f"it takes longer than {self._bounds.seconds:g} s")

    def write(self, size: int) -> None:
        """Counts a piece of the output, in characters."""
        self.tick()
        self._written += size
        if self._written > self._bounds.output:
            raise OverBounds(f"it writes more than {self._bounds.output} characters")

    def fit(self, size: int) -> None:
        """Refuses a value of more characters or elements than one may have, before it is made."""
        if size > self._bounds.value:
            raise OverBounds(f"a value has more than {self._bounds.value} characters or elements")

    def weigh(self, value: Any) -> None:
        """Refuses a value that is too large with all that is in it, seen as a tree.

        Lists that hold the same list twice are small in memory, and endless as a text.
        """
        left, size = [value], 0
        while left:
            one = left.pop()
            size += len(one) if isinstance(one, str) else 1
            self.fit(size)
            if isinstance(one, dict):
                left.extend(one)
                left.extend(one.values())
            elif isinstance(one, list | tuple):
                self.fit(size + len(left) + len(one))
                left.extend(one)

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yields the values, each of them a step."""
        for one in values:
            self.tick()
            yield one


_METER: ContextVar[Meter] = ContextVar("pepperpy_template_meter")


@contextmanager
def metered(bounds: Bounds) -> Iterator[Meter]:
    """Has everything that is rendered in its context counted together."""
    meter = Meter(bounds)
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def meter() -> Meter:
    """Returns the meter of the rendering that runs."""
    return _METER.get()
