"""One task's files, taken in group by group: each group is a step of the task's journal."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from pepperpy_agents.context import Context
from pepperpy_bus.memory.taking_in import Options, forget_others, size_of, take_in
from pepperpy_schemas.errors import BadHeader, BadPayload, PepperError, PermissionDenied
from pepperpy_schemas.memory_ingest import Document, Ingested, IngestTask

FILES: Final = 64
"""Most files of a step."""
BYTES: Final = 64 * 1024
"""Bytes of a step's files, but for a larger one: so much is asked again after a kill.

What the memory has already of them is not embedded again.
"""


def groups(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Yields the files of each step, in their order."""
    group: list[Document] = []
    size = 0
    for document in documents:
        more = size_of(document)
        if group and (len(group) == FILES or size + more > BYTES):
            yield group
            group, size = [], 0
        group.append(document)
        size += more
    if group:
        yield group


class Ingestion:
    """Takes in the files of a task.

    Args:
        task: The files.
        ctx: The task's context.
    """

    def __init__(self, task: IngestTask, ctx: Context) -> None:
        self._task = task
        self._ctx = ctx
        # Files belong to nobody's conversation.
        self._memory = ctx.memory.within(namespace=task.namespace, session="", agent="")
        self._options = Options(task.metadata)
        self._bytes = sum(map(size_of, task.documents))

    async def run(self) -> Ingested:
        """Does what no earlier attempt has done, and returns what became of all files.

        Raises:
            PermissionDenied: The task asks for the mark of trust.
            BadPayload: A folder that is to be pruned cannot be one.
        """
        _check(self._task)
        await self._tell("ingest_begun", files=len(self._task.documents))
        total = Ingested(skipped=self._task.skipped)
        done = 0
        for number, group in enumerate(groups(self._task.documents), start=1):
            total += await self._ctx.step(
                f"group {number}", self._take_in, group, done, total, type=Ingested
            )
            done += sum(map(size_of, group))
        for folder in self._task.prune:
            gone = await self._ctx.step(f"prune {folder}"[:200], self._prune, folder, type=int)
            total += Ingested(removed=gone)
        await self._discard_uploads()
        await self._tell(
            "ingest_ended",
            files=total.files,
            passages=total.passages,
            new=total.new,
            removed=total.removed,
            skipped=len(total.skipped),
        )
        return total

    async def _take_in(self, group: Sequence[Document], done: int, before: Ingested) -> Ingested:
        return await take_in(
            self._memory, group, self._options, partial(self._report, done, before)
        )

    async def _report(
        self, before: int, total: Ingested, done: float, document: Document, so_far: Ingested
    ) -> None:
        now = total + so_far
        await self._ctx.progress(
            (before + done) / self._bytes,
            document.file,
            passages=now.passages,
            new=now.new,
            files=now.files,
            of=len(self._task.documents),
        )

    async def _prune(self, folder: str) -> int:
        kept = [
            *(one.file for one in self._task.documents if one.folder == folder),
            *(one.file for one in self._task.skipped),
        ]
        return await forget_others(self._memory, folder, kept)

    async def _discard_uploads(self) -> None:
        """Removes the uploads; one that stays goes with its time, and is no failure."""
        with contextlib.suppress(PepperError):
            for document in self._task.documents:
                # What is no reference was left out, with the reason.
                with contextlib.suppress(BadHeader):
                    if document.blob:
                        await self._memory.discard(document.blob)

    async def _tell(self, verb: str, **data: Any) -> None:
        event_id = f"{self._ctx.task_id}-{verb}"
        await self._ctx.emit(f"memory.{verb}", event_id=event_id, **data)


def _check(task: IngestTask) -> None:
    if task.trusted:
        # Whoever may submit tasks would vouch with the rights of the one who does them.
        raise PermissionDenied(
            "$.trusted: a task does not vouch for what is in it",
            hint="vouch for it as yourself: pepperpy memory ingest --here --trusted",
            context={"path": "$.trusted"},
        )
    for number, folder in enumerate(task.prune):
        if "\0" in folder:
            path = f"$.prune[{number}]"
            raise BadPayload(f"{path}: there is a NUL in it", context={"path": path})
