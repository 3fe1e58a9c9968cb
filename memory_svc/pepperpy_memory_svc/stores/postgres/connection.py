"""What we use of asyncpg's connections, which have no types of their own."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = Any
"""A row of an answer, by name or place."""


class Connection(Protocol):
    """One connection to PostgreSQL."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Runs a statement, or several without parameters."""

    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None:
        """Runs a statement once for each row of parameters."""

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        """Returns all rows."""

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """Returns the first row."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Returns the first value of the first row."""

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str:
        """Stores many rows at once."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Makes what is inside of the block one transaction."""

    def is_closed(self) -> bool:
        """Says whether it is of no use any more."""
