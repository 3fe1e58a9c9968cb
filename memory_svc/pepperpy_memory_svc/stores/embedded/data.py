"""The data folder of a PostgreSQL: made whole or not at all; what a crashed server left in it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pepperpy_memory_svc.stores.embedded.place import Account, read_theirs
from pepperpy_schemas.errors import BadConfig

USER: Final = "pepperpy"
PID_FILE: Final = "postmaster.pid"


def create(folder: Path, who: Account, run: Callable[..., str]) -> None:
    """Makes the data folder, or checks that the server can read the one that is there.

    Args:
        folder: Where it is.
        who: Whose it is.
        run: Runs one of the programs with its arguments and returns what it prints.

    Raises:
        BadConfig: The data are of another version.
        Unavailable: It could not be made.
    """
    data, half = folder / "data", folder / "data.new"
    if data.exists():
        _check_version(data, who, run)
        return
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    who.give(half)
    run(
        *("initdb", "-D", str(half), "-U", USER, "--auth=trust", "--no-locale"),
        *("--encoding=UTF8", "--no-instructions", "--sync-method=syncfs"),
    )
    half.rename(data)


def _check_version(data: Path, who: Account, run: Callable[..., str]) -> None:
    there = read_theirs(data / "PG_VERSION", who).strip()
    ours = run("postgres", "--version").split()[-1].partition(".")[0]
    if there != ours:
        raise BadConfig(
            f"the data in {data} are of PostgreSQL {there or 'no version'}, the server is {ours}",
            hint="export them with the old package and import them with the new one",
        )


def ready(data: Path, who: Account, pid: int) -> bool:
    """Reads the file where a server says how far it is."""
    lines = read_theirs(data / PID_FILE, who).splitlines()
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def disown(data: Path, who: Account) -> None:
    """Makes a crashed server's number ours in the file that it left.

    A server does not start beside a living process of that number, and anybody may have it by now;
    that of its own parent it knows to be no other server's. The rest of the file stays: by the
    shared memory that it names, the server finds out whether children of the crashed one live.
    Only who holds the folder may do this: then no other server runs in it.
    """
    file = data / PID_FILE
    _number, newline, rest = read_theirs(file, who).partition("\n")
    # A name is taken away and made anew: no file that it might lead to is ever written.
    file.unlink(missing_ok=True)
    if not newline:
        return
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as opened:
        opened.write(f"{os.getpid()}\n{rest}")
    who.give(file)
