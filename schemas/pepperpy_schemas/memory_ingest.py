"""Files that the memory takes in: one by a request, many by a task.

The memory divides a file into passages itself, so that a client of any language only hands it
over: its text, or a reference to its bytes in the object store. The same again changes nothing.
"""

from typing import Annotated, Any, Final

import msgspec

from pepperpy_schemas.memory import Text1
from pepperpy_schemas.messages import Count

INGEST: Final = "memory-ingest"
"""The topic of tasks that take in files."""
REINDEX: Final = "memory-reindex"
"""The topic of tasks that make all vectors anew."""
INGESTED: Final = "ingested"
"""The value of the metadata that is true in passages: what is gone from a file is told by it."""
MAX_FILE: Final = 16 * 1024 * 1024
"""Bytes of the largest file; what is larger is data."""
MAX_FILES: Final = 50_000
"""Most files of one task."""

FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
FolderName = Annotated[str, msgspec.Meta(max_length=256)]


class IngestRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file to remember in passages; those of an earlier state of it are forgotten.

    Attributes:
        file: Its name, by which it is known again: `docs/ferry.md`.
        text: What is in it.
        blob: Instead of the text a reference to its bytes in the object store: UTF-8, or UTF-16
            with a byte order mark.
        folder: The folder that it belongs to.
        namespace: Where to put it.
        metadata: Named values of all its passages, beside `file`, `folder`, `line`, `last_line`
            and `ingested`, which is true.
        trusted: Whether its content can be relied on.
    """

    file: FileName
    text: str = ""
    blob: str = ""
    folder: FolderName = ""
    namespace: str = ""
    metadata: dict[str, Any] = {}
    trusted: bool = False


class IngestProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a file is; the last one counts all. One that comes again is a sign of life.

    Attributes:
        done: Passages that are remembered now.
        passages: Passages of the file.
        new: Those that were not there before.
        moved: Those that were there with other lines or values.
        removed: Passages that are no longer in the file.
        namespace: Where they are put: the caller's own namespace, unless the request names one.
    """

    done: Count = 0
    passages: Count = 0
    new: Count = 0
    moved: Count = 0
    removed: Count = 0
    namespace: str = ""


class Document(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file of a task.

    Attributes:
        file: Its name, by which it is known again.
        text: What is in it.
        blob: Instead of the text a reference to its bytes in the object store.
        folder: The folder that it belongs to.
    """

    file: FileName
    text: str = ""
    blob: str = ""
    folder: FolderName = ""


class Skipped(msgspec.Struct, frozen=True):
    """A file that was not taken in.

    Attributes:
        file: Its name.
        reason: Why.
    """

    file: str
    reason: Text1


class IngestTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Files to remember, whatever happens to whoever does it.

    Attributes:
        documents: The files.
        skipped: Files that are there and were left out: what is known of them is kept.
        prune: Folders whose other files are gone: what is known of those is forgotten.
        namespace: Where to put them.
        metadata: Named values of all passages.
        trusted: Is refused in a task: who does it would vouch for what others sent.
    """

    documents: Annotated[list[Document], msgspec.Meta(max_length=MAX_FILES)]
    skipped: Annotated[list[Skipped], msgspec.Meta(max_length=MAX_FILES)] = []
    prune: Annotated[list[FolderName], msgspec.Meta(max_length=64)] = []
    namespace: str = ""
    metadata: dict[str, Any] = {}
    trusted: bool = False


class Ingested(msgspec.Struct, frozen=True):
    """What became of files.

    Attributes:
        files: Files that were taken in.
        passages: Passages in them.
        new: Passages that were not there before; what a worker that died had put is there already.
        moved: Passages that were there with other lines or values.
        removed: Passages that are no longer in their file, and those of files that are gone.
        skipped: Files that were not taken in.
        namespace: Where they are; empty when the memory was asked to take in none.
    """

    files: Count = 0
    passages: Count = 0
    new: Count = 0
    moved: Count = 0
    removed: Count = 0
    skipped: list[Skipped] = []
    namespace: str = ""

    def __add__(self, other: "Ingested") -> "Ingested":
        return Ingested(
            files=self.files + other.files,
            passages=self.passages + other.passages,
            new=self.new + other.new,
            moved=self.moved + other.moved,
            removed=self.removed + other.removed,
            skipped=[*self.skipped, *other.skipped],
            namespace=self.namespace or other.namespace,
        )
