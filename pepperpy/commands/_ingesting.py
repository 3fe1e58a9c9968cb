"""Files taken into the memory: each passage once, and gone when it is gone from its file."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import typer

from pepperpy.commands._output import Progress
from pepperpy.commands._passages import Passage, passages, text_files

if TYPE_CHECKING:
    from pepperpy_bus.memory import Memory
    from pepperpy_schemas.memory import Entry, NewEntry

_BATCH: Final = 32


class Ingested(msgspec.Struct, frozen=True):
    """What became of files.

    Attributes:
        files: Files with text.
        passages: Passages in them.
        new: Passages that were not there yet.
        removed: Passages that are no longer in their file.
    """

    files: int
    passages: int
    new: int
    removed: int


async def ingest(memory: "Memory", paths: Sequence[Path]) -> Ingested:
    """Takes files and folders into the memory; the same again changes nothing."""
    found = {path.as_posix(): passages(path) for path in text_files(paths)}
    texts = {name: some for name, some in found.items() if some}
    everything = [one for some in texts.values() for one in some]
    progress = Progress(len(everything), "ingested")
    new = 0
    try:
        for start in range(0, len(everything), _BATCH):
            some = everything[start : start + _BATCH]
            new += await _put(memory, some)
            for _ in some:
                progress.step()
    finally:
        progress.end()
    removed = sum([await _remove(memory, name, some) for name, some in found.items()])
    return Ingested(len(texts), len(everything), new, removed)


async def _put(memory: "Memory", some: Sequence[Passage]) -> int:
    there = await memory.get_many([one.id for one in some], touch=False)
    # A passage that moved to other lines is put again.
    known = {(one.id, one.source) for one in there}
    new = [_entry(one) for one in some if (one.id, one.source) not in known]
    if new:
        await memory.put_many(new)
    return len(new)


def _entry(one: Passage) -> "NewEntry":
    from pepperpy_schemas.memory import NewEntry

    return NewEntry(
        id=one.id,
        text=one.text,
        source=one.source,
        metadata={"file": one.file, "line": one.first, "last_line": one.last},
    )


async def _remove(memory: "Memory", file: str, some: Sequence[Passage]) -> int:
    from pepperpy_schemas.memory import Eq

    kept = {one.id for one in some}
    gone = [
        one.id async for one in memory.export(where=Eq("metadata.file", file)) if one.id not in kept
    ]
    return sum(
        [await memory.delete(*gone[start : start + 1000]) for start in range(0, len(gone), 1000)]
    )


async def entries_of(file: Path) -> "AsyncIterator[Entry]":
    """Yields the entries of an export.

    Raises:
        typer.BadParameter: A line is none.
    """
    from pepperpy_schemas.codec import decode
    from pepperpy_schemas.errors import BadPayload
    from pepperpy_schemas.memory import Entry

    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield decode(line, Entry)
            except BadPayload as error:
                raise typer.BadParameter(f"{file}:{number}: {error.message}") from None
