"""What every store does; roles that a caller needs one of are protocols of their own.

An entry is there from the moment its put is answered until it is deleted or ``now`` reaches its
``expires``: from then on no operation shows it, counts it or lets it be changed, whether it has
been purged or not. ``now`` is the caller's clock everywhere; no store asks a database's.

Every operation but those on generations is about one namespace and sees nothing of another.

All raise ``Unavailable`` while the database cannot be reached, ``Overloaded`` when too many calls
wait for it, and ``BadPayload`` for values that cannot be stored or asked for.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from pepperpy_memory_svc.stores.rows import (
    Candidates,
    Earlier,
    Figures,
    Filling,
    Generation,
    Kind,
    Row,
    Turn,
    Vector,
    Wanted,
)
from pepperpy_schemas.memory import Condition, Entry

KEPT_VERSIONS = 16
"""Earlier versions of an entry that are kept."""


class Entries(Protocol):
    """Writes entries, and reads them by what they are."""

    async def put(self, namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
        """Stores all of them or none, and returns them as they are stored, in this order.

        Raises:
            Conflict: Another version is there than ``expected``; ``context.id`` names it.
            WrongSequence: A row has vectors or lexemes, but none for the current generation, or
                names one that is gone: read the generations again.
        """

    async def get(self, namespace: str, ids: Sequence[str], *, now: datetime) -> dict[str, Entry]:
        """Returns those that are there, by id."""

    async def delete(self, namespace: str, ids: Sequence[str], *, now: datetime) -> list[str]:
        """Deletes entries with their history; returns the ids that were there, in order of id.

        Many are deleted in portions: one that is interrupted leaves the rest, and the same call
        goes on with it.
        """

    async def delete_where(self, namespace: str, where: Condition | None, *, now: datetime) -> int:
        """Deletes all that fulfil a condition, or all, as `delete`; returns how many were there."""

    async def touch(self, namespace: str, ids: Sequence[str], *, now: datetime) -> int:
        """Begins the time of those that have a ``ttl`` anew; returns how many have one."""

    async def scan(
        self,
        namespace: str,
        *,
        now: datetime,
        after: str = "",
        limit: int = 1000,
        where: Condition | None = None,
    ) -> list[Entry]:
        """Returns the next entries in order of id (by code point), after an id."""

    async def neighbours(
        self,
        namespace: str,
        turns: Sequence[Turn],
        *,
        before: int,
        after: int,
        now: datetime,
        where: Condition | None = None,
    ) -> list[Entry]:
        """Returns what stands at these turns and beside them, once each, by session and seq.

        ``before`` and ``after`` count places, not entries that are still there.
        """

    async def history(self, namespace: str, id: str, *, now: datetime) -> list[Earlier]:  # noqa: A002 - as in Entry
        """Returns the earlier versions of an entry that is there, the latest first."""


class Search(Protocol):
    """Finds entries by what they mean."""

    async def candidates(self, wanted: Wanted, *, now: datetime) -> Candidates:
        """Returns the best of both legs; of fewer than ``limit`` that there are, all.

        Raises:
            WrongSequence: A generation is gone: read the generations again.
        """

    async def vectors(
        self, namespace: str, ids: Sequence[str], *, embedding: int, now: datetime
    ) -> dict[str, Vector]:
        """Returns the vectors of those that are there and have one in this generation, by id."""


class Generations(Protocol):
    """Builds new indexes beside the current ones."""

    async def generations(self) -> list[Generation]:
        """Returns all there are, by number."""

    async def begin(self, kind: Kind, name: str, *, dims: int = 0) -> Generation:
        """Begins a generation, or returns the one of this name; the first of its kind is current.

        Two replicas that begin the same get the same.
        """

    async def unfilled(self, number: int, *, now: datetime, limit: int = 1000) -> list[Entry]:
        """Returns entries of any namespace that a generation has nothing for yet.

        A re-index fills until there are none, and one that was killed goes on with them.

        Raises:
            NotFound: There is no such generation.
        """

    async def fill(self, number: int, fillings: Sequence[Filling]) -> int:
        """Takes vectors or lexemes into a generation; returns how many were of the version.

        Raises:
            NotFound: There is no such generation.
        """

    async def flip(self, number: int, *, now: datetime, partial: bool = False) -> int:
        """Makes a generation the current one, at once for everybody; the last one is kept.

        Going back is a flip to the kept one. Writers fill the current one only, unless they name
        others, so that one has to be filled, too, or taken ``partial``.

        Returns:
            How many entries the generation has yet to be filled with; it is current if that is 0
            or ``partial`` is given, else nothing is changed.

        Raises:
            NotFound: There is no such generation.
            Overloaded: Another process is at it.
        """

    async def drop(self, number: int) -> None:
        """Drops a generation that is not current; one that is gone is no error.

        Raises:
            Conflict: It is current.
        """


class Housekeeping(Protocol):
    """Keeps the store small, and tells how it is."""

    async def purge(self, *, now: datetime, limit: int = 10_000) -> int:
        """Removes entries of any namespace that are expired; returns how many."""

    async def figures(self, namespaces: Sequence[str], *, now: datetime) -> Mapping[str, Figures]:
        """Returns how full each of these namespaces is."""

    async def ping(self) -> None:
        """Asks the database for a sign of life."""


class Store(Entries, Search, Generations, Housekeeping, Protocol):
    """A store: open inside of ``async with``."""

    async def __aenter__(self) -> Self:
        """Opens it; the database may be away and come later only if it was there once."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it; what is running ends first."""
