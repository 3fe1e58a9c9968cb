"""Many files taken in one after the other: what became of each, and how far all of it is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from pepperpy_bus.memory.client import Memory
from pepperpy_bus.streams.blobs import parse_reference
from pepperpy_schemas.errors import BadHeader, BadPayload, NotFound, PepperError, TooLarge
from pepperpy_schemas.memory import AllOf, Condition, Eq, In, Not, Range
from pepperpy_schemas.memory_ingest import INGESTED, Document, Ingested, IngestProgress, Skipped

_NAMES: Final = 1000
"""Names of one condition."""
_OFTEN: Final = 0.25
"""Seconds between two reports."""

Report: TypeAlias = Callable[[float, Document, Ingested], Awaitable[None]]
"""Takes the bytes that are done, the file at hand and what became of those so far."""


class Options(msgspec.Struct, frozen=True):
    """What all files have in common.

    Attributes:
        metadata: Named values of all passages.
        trusted: Whether their content can be relied on.
    """

    metadata: Mapping[str, Any] = {}
    trusted: bool = False


def size_of(document: Document) -> int:
    """Returns about how many bytes a file has, and never 0."""
    if not document.blob:
        return len(document.text) + 1
    try:
        return parse_reference(document.blob).size + 1
    except BadHeader:
        return 1


async def take_in(
    memory: Memory, documents: Sequence[Document], options: Options, report: Report
) -> Ingested:
    """Takes in files; what cannot be taken in is named, and stops none of the others.

    Args:
        memory: The memory.
        documents: The files.
        options: What they have in common.
        report: Is told how far it is, a few times a second at most.

    Raises:
        PepperError: The memory does not answer, or refuses them all.
    """
    total, done = Ingested(), 0.0
    reported = 0.0
    clock = asyncio.get_running_loop().time
    for document in documents:
        size = size_of(document)
        try:
            last = IngestProgress()
            async for last in memory.ingest(
                document.file,
                document.text,
                blob=document.blob,
                folder=document.folder,
                metadata=options.metadata,
                trusted=options.trusted,
            ):
                if clock() - reported >= _OFTEN:
                    reported = clock()
                    part = size * last.done / (last.passages or 1)
                    await report(done + part, document, total + _so_far(last))
        except PepperError as error:
            if not _is_of_one(error):
                raise
            total += Ingested(skipped=[Skipped(document.file, error.message)])
        else:
            total += _so_far(last) + _of(document, last)
        done += size
    if documents:
        await report(done, documents[-1], total)
    return total


async def forget_others(memory: Memory, folder: str, files: Sequence[str]) -> int:
    """Forgets the passages of files of a folder that are not among these; returns how many."""
    kept = sorted(set(files))
    groups = [kept[start : start + _NAMES] for start in range(0, len(kept), _NAMES)] or [[]]
    gone = 0
    for number, names in enumerate(groups):
        # One condition has no room for all: each looks at the names up to its last one.
        after = groups[number - 1][-1] if number else None
        upto = names[-1] if number + 1 < len(groups) else None
        where: list[Condition] = [
            Eq("metadata.folder", folder),
            Eq(f"metadata.{INGESTED}", True),
        ]
        if after is not None or upto is not None:
            where.append(Range("metadata.file", gt=after, lte=upto))
        if names:
            where.append(Not(In("metadata.file", list(names))))
        gone += await memory.delete(where=AllOf(where))
    return gone


def _so_far(progress: IngestProgress) -> Ingested:
    return Ingested(
        passages=progress.done,
        new=progress.new,
        moved=progress.moved,
        removed=progress.removed,
        namespace=progress.namespace,
    )


def _of(document: Document, last: IngestProgress) -> Ingested:
    if last.passages:
        return Ingested(files=1)
    return Ingested(skipped=[Skipped(document.file, "there is no text in it")])


def _is_of_one(error: PepperError) -> bool:
    """Whether it is this file that is refused, and not all of them."""
    if isinstance(error, NotFound):
        return "blob" in error.context
    return isinstance(error, BadPayload | BadHeader | TooLarge)
