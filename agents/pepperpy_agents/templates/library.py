"""Folders of templates: looked up by name and version; read once, in development again."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from pepperpy_agents.templates.bounds import Bounds
from pepperpy_agents.templates.reading import ENDINGS, Source, read_source
from pepperpy_agents.templates.template import Find, Template
from pepperpy_agents.templates.versions import check_name, read_range, split
from pepperpy_schemas.errors import BadConfig, NotFound, PepperError

SHIPPED: Final = Path(__file__).parent / "shipped"
"""The package's own templates, which every folder of a user comes before."""


class Problem(msgspec.Struct, frozen=True):
    """A file that is no template.

    Attributes:
        path: The file.
        error: What is wrong with it.
    """

    path: Path
    error: PepperError


def load_template(path: str | Path, *, bounds: Bounds = Bounds()) -> Template:  # noqa: B008
    """Returns the template of one file; what it includes lies beside it, or is the package's own.

    Args:
        path: The file.
        bounds: What a rendering may take.

    Raises:
        BadConfig: It cannot be read, or its head is wrong.
    """
    path = Path(path)
    source = read_source(path)
    return _made(source, path, Templates(path.parent, bounds=bounds).get, bounds)


def _made(source: Source, path: Path, find: Find, bounds: Bounds) -> Template:
    return Template(
        source.text,
        name=source.name,
        version=source.version,
        fmt=source.format,
        origin=str(path),
        find=find,
        bounds=bounds,
    )


class _File(msgspec.Struct, frozen=True):
    """A file as it was when it was read."""

    seen: tuple[int, int, int]
    template: Template | Problem


class Templates:
    """The templates of some folders.

    The first folder that has a name, in a version that is wanted, is taken; of its versions the
    newest. So a user's folder overrides what comes after it, and last the package's own.

    Args:
        *folders: The folders, the first one before the others.
        reload: Look at the files again at every `get`, for development.
        bounds: What a rendering may take.

    Raises:
        BadConfig: A folder is not there.
    """

    def __init__(
        self,
        *folders: str | Path,
        reload: bool = False,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    ) -> None:
        self._folders = [*map(Path, folders), SHIPPED]
        self._reload = reload
        self._bounds = bounds
        self._files: dict[Path, _File] = {}
        for folder in self._folders:
            if not folder.is_dir():
                raise BadConfig(f"there is no folder of templates {folder}")

    def get(self, name: str, version: str = "") -> Template:
        """Returns a template.

        Args:
            name: Its name: ``researcher``, ``mail/reply``, or with a version ``researcher@1.2.0``.
            version: The version, or a range of them such as ``>=1.2,<2``; any by default. A
                pre-release is only taken when the range names one.

        Raises:
            NotFound: No folder has it; the message says what there is.
            BadConfig: A file of that name is no template.
            BadName: Name or range is not valid.
        """
        name, inner = split(name)
        check_name(name)
        wanted = read_range(version or inner)
        self._look()
        there: list[Template] = []
        for folder in self._folders:
            mine = [one for one in self._of(folder) if self._named(one, folder) == name]
            for one in mine:
                if isinstance(one, Problem):
                    raise one.error
            versions = {one.order: one for one in mine if isinstance(one, Template)}
            early = bool(wanted.prereleases)
            fits = [order for order in versions if wanted.contains(order, prereleases=early)]
            if fits:
                return versions[max(fits)]
            there += versions.values()
        raise self._missing(name, version or inner, there)

    def all(self) -> list[Template | Problem]:
        """Returns every template by name and version, overridden ones too, and what is none."""
        self._look()
        found = [one for folder in self._folders for one in self._of(folder)]
        good = [one for one in found if isinstance(one, Template)]
        bad = [one for one in found if isinstance(one, Problem)]
        return [*sorted(good, key=lambda one: (one.name, one.order)), *bad]

    # --- files ----------------------------------------------------------------------------------

    def _of(self, folder: Path) -> Iterator[Template | Problem]:
        return (file.template for path, file in self._files.items() if folder in path.parents)

    def _named(self, one: Template | Problem, folder: Path) -> str:
        if isinstance(one, Template):
            return one.name
        return split(one.path.relative_to(folder).with_suffix("").as_posix())[0]

    def _look(self) -> None:
        """Reads what has changed; what includes it is made anew with it."""
        if self._files and not self._reload:
            return
        seen = dict(self._signatures())
        if {path: file.seen for path, file in self._files.items()} == seen:
            return
        files: dict[Path, _File] = {}
        for folder in self._folders:
            mine = sorted(path for path in seen if folder in path.parents)
            read = {path: _File(seen[path], self._read(path, folder)) for path in mine}
            files |= _without_twins(read)
        # All at once: other threads may be looking.
        self._files = files

    def _signatures(self) -> Iterator[tuple[Path, tuple[int, int, int]]]:
        for folder in self._folders:
            for path in folder.rglob("*"):
                if path.suffix not in ENDINGS:
                    continue
                with contextlib.suppress(FileNotFoundError):  # it was replaced or removed just now
                    now = path.stat()
                    if stat.S_ISREG(now.st_mode):
                        yield path, (now.st_mtime_ns, now.st_size, now.st_ino)

    def _read(self, path: Path, folder: Path) -> Template | Problem:
        try:
            return _made(read_source(path, folder=folder), path, self.get, self._bounds)
        except PepperError as error:
            return Problem(path, error)

    def _missing(self, name: str, version: str, there: list[Template]) -> NotFound:
        if there:
            known = ", ".join(str(one.order) for one in sorted(there, key=lambda one: one.order))
            return NotFound(
                f"no version of template {name} is {version or 'a release'}",
                hint=f"there is {known}",
            )
        from difflib import get_close_matches

        names = sorted({one.name for one in self.all() if isinstance(one, Template)})
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(names) or 'none'}"
        places = ", ".join(str(folder) for folder in self._folders)
        return NotFound(f"no template is named {name} in {places}", hint=hint)


def _without_twins(files: dict[Path, _File]) -> dict[Path, _File]:
    """The files of a folder, of which those are problems that another one has come before."""
    first: dict[tuple[str, str], str] = {}
    found = dict(files)
    for path, file in files.items():
        one = file.template
        if not isinstance(one, Template):
            continue
        other = first.setdefault((one.name, one.version), one.origin)
        if other != one.origin:
            error = BadConfig(
                f"{other} and {one.origin} are both {one.name} {one.version}",
                hint="give one of them another version",
            )
            found[path] = _File(file.seen, Problem(path, error))
    return found
