"""Where an embedded PostgreSQL lies, and as whom it runs: never as root, which it refuses.

The folder is its maker's, also root's. The server's user has its data and its socket in it, each a
folder of its own, and can change nothing around them: what is opened there as root is never theirs.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_schemas.errors import BadConfig

ROOTS_FOLDER: Final = Path("/var/lib/pepperpy")
"""Where data of root's servers lie when their own folder cannot be reached by anybody else."""

LOCK: Final = "lock"
"""Is in every folder that was used for this: no other one with something in it is taken."""

_LONGEST_SOCKET: Final = 90
"""Bytes of the path of its folder; the system takes 107 with the socket's own name."""


class Account(msgspec.Struct, frozen=True):
    """As whom the server runs.

    Attributes:
        uid: Its user; None for whoever we are.
        gid: Its group.
    """

    uid: int | None = None
    gid: int | None = None

    def options(self) -> dict[str, Any]:
        """Returns what `subprocess.Popen` needs to become it."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Gives it a file or folder; of a link the link itself."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid or 0, follow_symlinks=False)

    def owns(self, uid: int) -> bool:
        """Says whether it is this user."""
        return uid == (os.geteuid() if self.uid is None else self.uid)


def account() -> Account:
    """Returns ourselves, or ``nobody`` for root."""
    if os.geteuid() != 0:
        return Account()
    import pwd  # is not there on Windows

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def reachable(path: Path) -> bool:
    """Says whether everybody may go through all folders above a path."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in path.parents if each.exists())


def place_of(folder: Path, who: Account) -> Path:
    """Returns where everything lies that is meant to be in a folder.

    For root it is elsewhere, under `ROOTS_FOLDER`, when nobody can reach the one that is named.
    """
    folder = folder.resolve()
    if who.uid is None or reachable(folder):
        return folder
    return ROOTS_FOLDER / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def own_folder(folder: Path, who: Account) -> Path:
    """Makes the folder where everything lies: ours, and closed to everybody but the server.

    Raises:
        BadConfig: It is somebody else's, or there are other things in it.
    """
    folder = place_of(folder, who)
    if folder.parent == ROOTS_FOLDER:
        ROOTS_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What is checked is what is changed, even if the name is another folder's by now.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_ours(folder, handle)
        if who.gid is not None:
            os.fchown(handle, -1, who.gid)
        os.fchmod(handle, 0o700 if who.gid is None else 0o710)
    finally:
        os.close(handle)
    return folder


def _check_ours(folder: Path, handle: int) -> None:
    owner = os.fstat(handle).st_uid
    if owner != os.geteuid():
        raise BadConfig(
            f"the folder {folder} is somebody else's (user {owner})",
            hint="give a folder of your own, or one that is not there yet",
        )
    inside = sorted(os.listdir(handle))
    if inside and LOCK not in inside:
        raise BadConfig(
            f"there are other things in the folder {folder}: {', '.join(inside[:3])}",
            hint="give an empty folder, or one that is not there yet",
        )


@contextmanager
def socket_folder(folder: Path, who: Account) -> Iterator[Path]:
    """Makes the folder of the socket, new each time: only its server's user can enter it.

    It is in a folder, or a temporary one where its path cannot be that of a socket.
    """
    inside = folder / "run"
    if _takes_a_socket(inside):
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(mode=0o700)
    else:
        # Only there is a path sure to be short.
        inside = Path(tempfile.mkdtemp(prefix="pepperpy-pg-", dir="/tmp"))
    who.give(inside)
    try:
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def _takes_a_socket(path: Path) -> bool:
    """Says whether the system, the server and its clients take a path: for them a comma ends it.

    A byte that is no character cannot be told in an address; here it stands as half of one.
    """
    text = str(path)
    return len(os.fsencode(path)) <= _LONGEST_SOCKET and "," not in text and text.isprintable()


def read_theirs(file: Path, who: Account) -> str:
    """Returns the text of a small file of the server's; empty if it is not there.

    What its user has put in its place instead, a link or a pipe, is never read as root.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as opened:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or not who.owns(status.st_uid):
            return ""
        return opened.read(4096).decode(errors="replace")
