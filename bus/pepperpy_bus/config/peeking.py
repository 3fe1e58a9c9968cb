"""Reading a few settings without the models: no pydantic, no validation, no defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pepperpy_bus.config.files import contexts_folder, file_in_force, read_context, read_file
from pepperpy_bus.config.layers import CONTEXT_VARIABLE, PREFIX


def peek_settings(
    names: Sequence[str],
    *,
    config: str | Path | None,
    context: str | None,
    environ: Mapping[str, str],
    cwd: Path,
) -> dict[str, object]:
    """Returns the values that are set; `config.peek` says what the arguments mean."""
    path = file_in_force(config, environ, cwd)
    file = read_file(path) if path else None
    tables: list[Mapping[str, Any]] = [] if file is None else [file.settings]
    chosen = context or environ.get(CONTEXT_VARIABLE)
    if chosen:
        found, _ = read_context(chosen, file, contexts_folder(environ))
        tables.append(found.settings)
    values: dict[str, object] = {}
    for name in names:
        section, _, key = name.partition(".")
        written = [table[section][key] for table in tables if key in table.get(section, {})]
        variable = environ.get(f"{PREFIX}{section}_{key}".upper())
        if variable:
            written.append(variable)
        if written:
            values[name] = written[-1]
    return values
