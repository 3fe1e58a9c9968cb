"""Work in portions, each of which a statement's time is enough for."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from pepperpy_schemas.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

PORTION: Final = 256 * 1024
"""What the entries of one portion weigh together, in bytes of text."""
LEAST: Final = 512
"""What an entry weighs beside its text: there is something to be changed in each index."""


class TooMuch(Unavailable):
    """A portion took longer than a statement may."""


def portions(
    things: Iterable[T], weight: Callable[[T], int], most: int = PORTION
) -> Iterator[list[T]]:
    """Yields things in their order, at least one at a time, and as many as weigh no more than that.

    Args:
        things: The things; they are looked at when their portion is wanted.
        weight: What one weighs.
        most: What a portion weighs at most.
    """
    portion: list[T] = []
    left = most
    for thing in things:
        heavy = weight(thing)
        if portion and heavy > left:
            yield portion
            portion, left = [], most
        portion.append(thing)
        left -= heavy
    if portion:
        yield portion


async def in_portions(
    things: Sequence[T],
    weight: Callable[[T], int],
    work: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
) -> list[R]:
    """Does something to all, portion by portion; what was too much is tried with half of it.

    Args:
        things: The things.
        weight: What one weighs.
        work: Does it to a portion, whole or not at all.

    Raises:
        TooMuch: Even one alone is.
    """
    done: list[R] = []
    begin, most = 0, PORTION
    while begin < len(things):
        portion = next(portions(_from(things, begin), weight, most))
        try:
            done += await work(portion)
        except TooMuch:
            if len(portion) == 1:
                raise
            most = sum(weight(thing) for thing in portion) // 2
        else:
            begin += len(portion)
    return done


def _from(things: Sequence[T], begin: int) -> Iterator[T]:
    return (things[place] for place in range(begin, len(things)))
