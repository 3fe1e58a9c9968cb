"""Cells whose changes of one key go to the server together when many come at once.

A change costs two round trips. A hundred of one key at the same time would cost two hundred, one
after the other; here those that wait while a change is on its way are the next one.
"""

import asyncio
from typing import Self

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import WITHIN, Cells, Edit


class _Asked:
    """A change that somebody waits for."""

    def __init__(self, edit: Edit, ttl: float | None, within: float) -> None:
        self.edit = edit
        self.ttl = ttl
        self.within = within
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None

    def apply(self, value: bytes | None) -> bytes | None:
        """Returns the next value; what the edit raises ends this change alone."""
        self.error = None
        try:
            return self.edit(value)
        except Exception as error:
            self.error = error
            return None

    def end(self, revision: int) -> None:
        if self.done.done():
            return  # whoever asked has gone
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(revision)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class BatchedCells(Cells):
    """The same as `Cells`, for keys that many requests of one process change at the same time.

    Edits are made in the order in which they were asked for, each on what the one before it left.
    Leaving its context waits for the changes that are under way.
    """

    def __init__(self, connection: Connection, prefix: str, *, bucket: str = "state") -> None:
        super().__init__(connection, prefix, bucket=bucket)
        self._asked: dict[str, list[_Asked]] = {}
        self._commits: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        while self._commits:
            await asyncio.wait(self._commits.values())

    async def change(
        self, key: str, edit: Edit, *, ttl: float | None = None, within: float = WITHIN
    ) -> int:
        """Changes a value, together with the others of this process that wait to change it.

        A caller who is cancelled before its change was sent has changed nothing; one who is
        cancelled while it is on its way does not hold it up, nor the others.
        """
        asked = _Asked(edit, ttl, within)
        waiting = self._asked.setdefault(key, [])
        waiting.append(asked)
        if key not in self._commits:
            task = asyncio.create_task(self._commit_all(key), name=f"cells:{key}")
            self._commits[key] = task
        return await asked.done

    async def _commit_all(self, key: str) -> None:
        try:
            while asked := self._asked.pop(key, None):
                if batch := [one for one in asked if not one.done.done()]:
                    await self._commit(key, batch)
        finally:
            del self._commits[key]

    async def _commit(self, key: str, batch: list[_Asked]) -> None:
        def edit(value: bytes | None) -> bytes | None:
            before = value
            for one in batch:
                after = one.apply(value)
                value = value if after is None else after
            return None if value is before else value

        within = max(one.within for one in batch)
        try:
            revision = await super().change(key, edit, ttl=batch[0].ttl, within=within)
        except BaseException as error:
            for one in batch:
                one.fail(one.error or error)
            if not isinstance(error, Exception):
                raise
        else:
            for one in batch:
                one.end(revision)
