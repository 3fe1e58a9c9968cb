"""What is async, for callers in another thread: the same verbs, without ``await``."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


class Waiting(Protocol):
    """Runs what is begun in the event loop's thread and waits for it in this one."""

    def wait(self, begin: Callable[[], Awaitable[R]]) -> R:
        """Returns or raises what it ends with."""

    def iterate(self, items: AsyncIterator[R]) -> Generator[R, None, None]:
        """Yields what an async iterator yields there, and closes it at the end."""


class Facade(Generic[A]):
    """An async thing, used from another thread."""

    def __init__(self, thread: Waiting, inner: A) -> None:
        self._thread = thread
        self._inner = inner


def waits(
    method: Callable[Concatenate[Any, P], Awaitable[R]],
) -> Callable[Concatenate[Facade[Any], P], R]:
    """Returns the method as one that waits."""

    @functools.wraps(method)
    def waiting(facade: Facade[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return facade._thread.wait(lambda: method(facade._inner, *args, **kwargs))

    return waiting


def iterates(
    method: Callable[Concatenate[Any, P], AsyncIterator[R]],
) -> Callable[Concatenate[Facade[Any], P], Generator[R, None, None]]:
    """Returns the method as one whose iterator waits; its `close` ends it early."""

    @functools.wraps(method)
    def iterating(
        facade: Facade[Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Generator[R, None, None]:
        return facade._thread.iterate(method(facade._inner, *args, **kwargs))

    return iterating
