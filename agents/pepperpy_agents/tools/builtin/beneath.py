"""Files beneath a folder: opened so that no link, no ``..`` and no race leads out of it.

Linux resolves the whole path in one system call that refuses links (``openat2``). Where the kernel
has none, folder after folder is opened from the one before, without following links: whoever swaps
one meanwhile gains nothing, as what was opened stays what it was.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_schemas.errors import BadArguments, NotFound, NotGranted, PepperError, ToolFailed

_OPENAT2: Final = 437
"""The number of the system call, the same on every architecture."""
_NO_LINKS_BENEATH: Final = 0x02 | 0x04 | 0x08  # RESOLVE_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH
_UNHURT: Final = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever."""
_PATH: Final = getattr(os, "O_PATH", 0)
_FOLDER: Final = _PATH | os.O_DIRECTORY

DEEPEST: Final = 32
"""Folders that are made for one file at most."""

_KERNELS_OWN: Final = {
    0x9FA0: "proc",
    0x62656572: "sysfs",
    0x27E0EB: "cgroup",
    0x63677270: "cgroup2",
    0x64626720: "debugfs",
    0x74726163: "tracefs",
    0x73636673: "securityfs",
    0xCAFE4A11: "bpf",
    0x62656570: "configfs",
    0x42494E4D: "binfmt_misc",
    0xDE5E81E4: "efivarfs",
    0x6165676C: "pstore",
    0xF97CFF8C: "selinuxfs",
    0x65735543: "fusectl",
}
"""File systems whose files are no data but the kernel and its processes, by their magic number."""


class Place:
    """A path, and the granted folder that it is reached from.

    Args:
        grants: What the caller may do.
        action: What is done: ``files.read``.
        path: The path as the model wrote it.

    Attributes:
        path: The same, absolute.

    Raises:
        NotGranted: No grant covers the path.
    """

    def __init__(self, grants: Grants, action: str, path: str) -> None:
        self.path = absolute(path)
        needed = Scope.parse(f"{action}:{self.path}")
        covering = [granted.resource or "/" for granted in grants.scopes if granted.covers(needed)]
        if not covering:
            raise NotGranted(
                f"{self.path} is not granted", context={"scopes": [f"{action}:{self.path}"]}
            )
        # The narrowest is what the operator has named last of all; it may be a link, as he says so.
        # Within what the caller may write, a program of its could have made that link: there the
        # way begins at the widest.
        writable = Scope.parse(f"files.write:{self.path}")
        widest = [granted.resource or "/" for granted in grants.scopes if granted.covers(writable)]
        self._root = min(widest, key=len) if widest else max(covering, key=len)
        self._rest = os.path.relpath(self.path, self._root)

    @contextlib.contextmanager
    def folder(self, *, making: Callable[[], None] | None = None) -> Iterator[tuple[int, str]]:
        """Gives the open folder that the path lies in, and the path's last name.

        Args:
            making: Called before each folder that is missing is made; None makes none.
        """
        with explained(self.path), contextlib.ExitStack() as open_ones:
            root, rest = self._root, self._rest
            if rest == "." and not Path(root).is_dir():
                root, rest = os.path.split(root)
            at = os.open(root, _FOLDER | os.O_CLOEXEC)
            open_ones.callback(os.close, at)
            above, _, name = rest.rpartition("/")
            if above:
                if making is not None:
                    _make_folders(at, above, self.path, making)
                at = open_beneath(at, above, _FOLDER)
                open_ones.callback(os.close, at)
            _refuse_kernels_own(at, self.path)
            yield at, name


def absolute(path: str) -> str:
    """Returns a path as it is compared with grants: absolute, without ``.`` and ``..``.

    Nothing is decoded: ``%2e%2e`` is a name like any other.

    Raises:
        BadArguments: There is a character in it that no path has.
    """
    if not path or not path.isprintable():
        raise BadArguments(f"{path!r:.120} is no path: empty, or with control characters")
    return os.path.abspath(path)  # noqa: PTH100 - pathlib's keeps `..`, and this follows no link


def printable(name: str) -> str:
    """Returns a name, or path, as text: those of files may have bytes that are none."""
    return os.fsencode(name).decode(errors="replace")


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens a path beneath an open folder; returns the file's descriptor.

    Args:
        folder: Descriptor of the folder.
        path: Relative, without ``..``.
        flags: As for `os.open`.
        mode: Permissions of a file that is made.

    Raises:
        OSError: It is not there, or there is a link on the way (``ELOOP``).
    """
    # A folder that is only passed through takes no other flags.
    flags |= os.O_CLOEXEC if flags & _PATH else _UNHURT
    if sys.platform == "linux":
        how = struct.pack("QQQ", flags, mode if flags & os.O_CREAT else 0, _NO_LINKS_BENEATH)
        found: int = ctypes.CDLL(None, use_errno=True).syscall(
            ctypes.c_long(_OPENAT2), folder, os.fsencode(path), how, ctypes.c_size_t(len(how))
        )
        if found >= 0:
            return found
        # EPERM: a container's filter that does not know the call says so.
        if (number := ctypes.get_errno()) not in {errno.ENOSYS, errno.EPERM}:
            raise OSError(number, os.strerror(number), path)
    return walk_beneath(folder, path, flags, mode)


@contextlib.contextmanager
def opened(folder: int, path: str) -> Iterator[int]:
    """Gives the descriptor of a file that is opened for reading; see `open_beneath`."""
    file = open_beneath(folder, path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def walk_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens a path beneath an open folder, name after name; see `open_beneath`."""
    *above, last = path.split("/")
    at = os.dup(folder)
    try:
        for name in above:
            below = _step(name, _FOLDER | os.O_CLOEXEC, 0, at)
            os.close(at)
            at = below
        return _step(last, flags, mode, at)
    finally:
        os.close(at)


def regular(descriptor: int, path: str) -> os.stat_result:
    """Returns the facts of an open file.

    Raises:
        NotGranted: It is no file of data: a folder, a pipe, a device, or the kernel's own.
    """
    facts = os.fstat(descriptor)
    refuse_special(facts.st_mode, path)
    _refuse_kernels_own(descriptor, path)
    return facts


def refuse_special(mode: int, path: str) -> None:
    """Refuses what is no regular file.

    Raises:
        NotGranted: It is something else, which is named.
    """
    kind = next((word for is_it, word in _KINDS if is_it(mode)), None)
    if not stat.S_ISREG(mode):
        raise NotGranted(f"{path} is {kind or 'no regular file'}", hint=_OTHER)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Raises what the system says of a path as errors that a model understands."""
    try:
        yield
    except PepperError:
        raise
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EXDEV}:
            raise NotGranted(
                f"{path} leads through a symbolic link, and links are not followed", hint=_OTHER
            ) from None
        raise ToolFailed(f"{path}: {os.strerror(error.errno or 0)}") from None


_OTHER: Final = "name a regular file within what was granted"
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _step(name: str, flags: int, mode: int, at: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=at)
    except NotADirectoryError:
        # What the kernel says of a link where a folder is wanted.
        if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise


def _make_folders(folder: int, path: str, wanted: str, making: Callable[[], None]) -> None:
    if path.count("/") >= DEEPEST:
        raise BadArguments(f"{wanted} has more than {DEEPEST} folders that may have to be made")
    at = os.dup(folder)
    try:
        for name in path.split("/"):
            # A folder that is made in a cgroup's is a new cgroup.
            _refuse_kernels_own(at, wanted)
            try:
                os.stat(name, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                making()
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=at)
            below = open_beneath(at, name, _FOLDER)
            os.close(at)
            at = below
    finally:
        os.close(at)


def _refuse_kernels_own(descriptor: int, path: str) -> None:
    if sys.platform != "linux":
        return
    facts = ctypes.create_string_buffer(256)
    if ctypes.CDLL(None, use_errno=True).fstatfs(descriptor, facts) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    kind = _KERNELS_OWN.get(ctypes.c_long.from_buffer(facts).value)
    if kind is not None:
        raise NotGranted(f"{path} is no file of data: it belongs to {kind}", hint=_OTHER)
