"""The declaration, read from its file; without one there is a namespace for everybody."""

import tomllib
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pepperpy_memory_svc.declared.models import EVERYBODY, Declaration, Namespace
from pepperpy_schemas.errors import BadConfig

MAIN: Final = "main"
"""The namespace of a deployment without a declaration."""


def read_declaration(path: Path | None) -> Declaration:
    """Returns who may remember what.

    Args:
        path: The file, TOML; without one everybody has the namespace `MAIN`, and may do anything.

    Raises:
        BadConfig: The file cannot be read, or a key of it is wrong; each is named with its place.
    """
    if path is None:
        everybody = (EVERYBODY,)
        open_to_all = Namespace(principals=everybody, vouchers=everybody)
        return Declaration(namespaces={MAIN: open_to_all}, reindexers=everybody)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadConfig(
            f"the declaration {path} cannot be read: {error.strerror}",
            hint="name another file with --declaration, or leave it out",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    try:
        return Declaration.model_validate(table)
    except ValidationError as error:
        raise _complaint(path, error) from None


def _complaint(path: Path, error: ValidationError) -> BadConfig:
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        message = str(problem.get("ctx", {}).get("error") or problem["msg"])
        lines.append(f"{path}: {where} = {problem['input']!r:.80}: {message}")
    return BadConfig("\n".join(lines))
