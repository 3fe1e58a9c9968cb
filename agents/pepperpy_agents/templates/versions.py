"""Names and versions of templates: ``researcher@1.2.0`` in a file's name, ranges in a look-up."""

import re
from typing import TYPE_CHECKING, Final

from pepperpy_schemas.errors import BadConfig, BadName
from pepperpy_schemas.tokens import SEMVER

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

DEFAULT: Final = "0.1.0"
"""The version of a template that names none."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}")


def check_name(name: str, *, origin: str = "") -> str:
    """Returns a template's name: tokens with ``/`` between them.

    Raises:
        BadName: It is none; so no name leads out of a folder.
    """
    if _NAME.fullmatch(name) is None:
        lead = f"{origin}: " if origin else ""
        raise BadName(
            f"{lead}template name {name!r:.80} is not valid",
            hint="use letters, digits, _ and -, with / between folders",
        )
    return name


def split(reference: str) -> tuple[str, str]:
    """Returns name and version, or range, of ``name@version``; without one the version is empty."""
    name, _, version = reference.partition("@")
    return name, version


def read_version(text: str, *, origin: str) -> "Version":
    """Returns a semantic version as a value that can be compared.

    Raises:
        BadConfig: It is none.
    """
    from packaging.version import InvalidVersion, Version

    try:
        if SEMVER.fullmatch(text) is None:
            raise InvalidVersion(text)
        return Version(text)
    except InvalidVersion:
        raise BadConfig(
            f"{origin}: version {text!r:.60} is not a semantic version",
            hint='write three numbers, for example "1.2.0" or "1.2.0-rc.1"',
        ) from None


def read_range(text: str) -> "SpecifierSet":
    """Returns what a look-up wants: a range such as ``>=1.2,<2``, or one version.

    Raises:
        BadName: It can be read as neither.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(f"=={text}" if SEMVER.fullmatch(text) else text)
    except InvalidSpecifier:
        raise BadName(
            f"version range {text!r:.60} cannot be read",
            hint="write for example >=1.2,<2 or ~=1.4 or 1.2.0",
        ) from None
