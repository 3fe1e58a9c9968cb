"""Files of this machine as a task takes them: what is in them, or why they are left out."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from pepperpy.commands.memory._uploads import Uploads
    from pepperpy_schemas.memory_ingest import Document, Skipped

PASSED_OVER: Final = frozenset({"node_modules", "__pycache__"})
"""Folders of foreign code; hidden ones are passed over, too."""
_INLINE: Final = 64 * 1024
"""Bytes of a file that travels in the task itself."""
_ALL_INLINE: Final = 4 * 1024 * 1024
"""Bytes of all of these; what comes after is uploaded."""
_OVER: Final = "there is more than --most takes"


class File(msgspec.Struct, frozen=True):
    """A file that is there.

    Attributes:
        name: What the memory knows it by: the folder's name and its path below it.
        folder: The folder's name; empty for a file that was named itself.
        path: Where it is.
        size: Its bytes.
        reason: Why it is left out; empty when it is not.
    """

    name: str
    folder: str
    path: Path
    size: int = 0
    reason: str = ""


class Files(msgspec.Struct):
    """What a task is made of.

    Attributes:
        documents: The files with what is in them, small ones first.
        skipped: Those that are left out.
        folders: The folders that they are of.
    """

    documents: "list[Document]"
    skipped: "list[Skipped]"
    folders: list[str]


def names_of(paths: Sequence[Path]) -> list[str]:
    """Returns what folders and files are called, wherever they are."""
    return [path.resolve().name or "root" for path in paths]


def found(paths: Sequence[Path], names: Sequence[str]) -> list[File]:
    """Returns the files of folders, and those that are named themselves.

    Args:
        paths: Folders and files.
        names: What the memory knows each of them by.
    """
    files: list[File] = []
    for path, called in zip(paths, names, strict=True):
        if path.is_dir():
            files += [_judged(one) for one in _walked(path, called)]
        else:
            files.append(_judged(File(called, "", path)))
    return files


def limited(files: Sequence[File], most: int) -> list[File]:
    """Returns files, of which no more than so many bytes are taken: the smallest first."""
    left = most
    kept = []
    for file in sorted(files, key=lambda one: one.size):
        left -= 0 if file.reason else file.size
        over = left < 0 and not file.reason
        kept.append(msgspec.structs.replace(file, reason=_OVER) if over else file)
    return kept


async def read(uploads: "Uploads", files: Sequence[File]) -> Files:
    """Returns what is in files; what is larger than a message likes is uploaded.

    Args:
        uploads: Uploads it.
        files: The files.
    """
    from pepperpy_schemas.memory_ingest import Skipped

    documents, skipped = [], []
    inline = 0
    for file in sorted(files, key=lambda one: one.size):
        reason = file.reason
        if not reason:
            inline += file.size
            try:
                beside = file.size > _INLINE or inline > _ALL_INLINE
                documents.append(await _document(file, uploads if beside else None))
            except (OSError, ValueError) as error:
                reason = _said(error)
        if reason:
            skipped.append(Skipped(file.name, reason))
    folders = sorted({file.folder for file in files if file.folder})
    return Files(documents, skipped, folders)


def _walked(root: Path, called: str) -> Iterator[File]:
    for place, folders, names in os.walk(root):
        below = Path(place)
        linked = [one for one in folders if (below / one).is_symlink()]
        folders[:] = sorted(
            one
            for one in folders
            if not one.startswith(".") and one not in PASSED_OVER and one not in linked
        )
        for one in sorted([*names, *linked]):
            if not one.startswith("."):
                path = below / one
                relative = path.relative_to(root).as_posix()
                outside = path.is_symlink() and not _is_inside(path, root)
                reason = "it is a link out of the folder" if outside else ""
                yield File(f"{called}/{relative}", called, path, reason=reason)


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a link leads to somewhere below the folder, or nowhere at all."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links, before Python 3.13
        return True


def _judged(file: File) -> File:
    from pepperpy_schemas.memory_ingest import MAX_FILE

    reason, size = file.reason, 0
    try:
        status = file.path.stat()
        size = status.st_size
        if not file.name.isprintable() or len(file.name) > 1024:
            reason = "its name is no text of at most 1024 characters"
        elif stat.S_ISDIR(status.st_mode):
            reason = reason or "it is a link to a folder"
        elif not stat.S_ISREG(status.st_mode):
            reason = "it is no regular file"
        elif size > MAX_FILE:
            reason = f"it has {size} bytes, more than {MAX_FILE}"
    except (OSError, RuntimeError) as error:
        reason = reason or _said(error)
    name = file.name.encode(errors="replace").decode()
    return File(name, file.folder, file.path, size, reason)


async def _document(file: File, uploads: "Uploads | None") -> "Document":
    """What is in a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text.
    """
    from pepperpy_bus.memory.texts import text_of
    from pepperpy_schemas.errors import BadPayload, TooLarge
    from pepperpy_schemas.memory_ingest import Document

    body = file.path.read_bytes()
    try:
        text = text_of(body)
    except (BadPayload, TooLarge) as error:
        raise ValueError(error.message) from None
    if uploads is None:
        return Document(file=file.name, folder=file.folder, text=text)
    return Document(file=file.name, folder=file.folder, blob=await uploads.upload(body))


def _said(error: Exception) -> str:
    """Why a file cannot be read, in the system's words."""
    known = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"it cannot be read: {known}" if isinstance(error, OSError | RuntimeError) else known
