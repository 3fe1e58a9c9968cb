"""Files written whole: a reader sees the old text or the new one, and a quota holds."""

import os
import secrets
import threading
from typing import Any, Final, Literal

from pepperpy_agents.tools.builtin.beneath import Place, open_beneath, refuse_special, regular
from pepperpy_bus.units import format_size
from pepperpy_schemas.errors import Conflict, NotGranted, TooLarge

Mode = Literal["replace", "append", "create"]


_NEW: Final = 4096
"""Bytes that a new file or folder counts besides: many empty ones fill a disk, too."""


class Writer:
    """Writes files, and counts what they grow by.

    Args:
        largest: Bytes that a file may have.
        quota: Bytes that files may grow by, all of them together, as long as the process runs.
    """

    def __init__(self, *, largest: int, quota: int) -> None:
        self._largest = largest
        self._quota = self._left = quota
        self._lock = threading.Lock()

    def write(self, place: Place, text: str, mode: Mode) -> dict[str, Any]:
        """Writes a text and returns the path and the size that the file has now.

        Raises:
            TooLarge: The file would be too large, or the quota is used up.
            NotGranted: What is there is no regular file, or has a second name somewhere else.
            Conflict: It is there, and was to be created.
        """
        data = text.encode(errors="replace")
        self._fits(len(data))
        # One after the other: two that append would both find the file small enough.
        with self._lock, place.folder(making=self._spend_new) as (folder, name):
            if mode == "append":
                size = self._append(folder, name, data, place.path)
            else:
                size = self._replace(folder, name, data, place.path, must_be_new=mode == "create")
        return {"path": place.path, "size": size}

    def _append(self, folder: int, name: str, data: bytes, path: str) -> int:
        mode, _ = _existing(folder, name, path)
        if mode is None:
            self._spend_new()
        file = open_beneath(folder, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            facts = regular(file, path)
            if facts.st_nlink > 1:
                raise NotGranted(
                    f"{path} has another name elsewhere, which may be out of what was granted",
                    hint="replace it instead of appending to it",
                )
            size = facts.st_size + len(data)
            self._fits(size)
            self._spend(len(data))
            _write_all(file, data)
        finally:
            os.close(file)
        return size

    def _replace(self, folder: int, name: str, data: bytes, path: str, *, must_be_new: bool) -> int:
        mode, size = _existing(folder, name, path)
        if must_be_new and mode is not None:
            raise Conflict(f"{path} exists", hint="choose another name, or use mode replace")
        self._spend(len(data) - size + (_NEW if mode is None else 0))
        # A rename puts the new file in the place of whatever is there, and follows no link.
        draft = f".{secrets.token_hex(8)}.draft"
        file = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder
        )
        try:
            try:
                if mode is not None:
                    os.fchmod(file, mode)
                _write_all(file, data)
            finally:
                os.close(file)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(draft, dir_fd=folder)
            raise
        return len(data)

    def _fits(self, size: int) -> None:
        if size > self._largest:
            raise TooLarge(
                f"the file would have {size} bytes; at most {format_size(self._largest)} are "
                "allowed",
                hint="write several files",
            )

    def _spend_new(self) -> None:
        self._spend(_NEW)

    def _spend(self, growth: int) -> None:
        if growth > self._left:
            raise TooLarge(
                "the quota of written bytes is used up: "
                f"{self._left} are left, and {growth} are needed",
                hint="do without the file, or make another one smaller",
            )
        self._left = min(self._quota, self._left - growth)


def _existing(folder: int, name: str, path: str) -> tuple[int | None, int]:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None, 0
    refuse_special(facts.st_mode, path)
    return facts.st_mode & 0o777, facts.st_size


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
