"""How settings are loaded: find, read, lay over each other, validate, freeze.

Importing this module costs 140 ms of pydantic, so `config.load`, its only caller, does it late.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from pepperpy_bus.config.files import (
    ConfigFile,
    contexts_folder,
    file_in_force,
    read_context,
    read_file,
)
from pepperpy_bus.config.known import known_settings
from pepperpy_bus.config.layers import (
    CONTEXT_VARIABLE,
    Layer,
    layer_of_environment,
    layer_of_flags,
    layer_of_table,
    nested,
    stray_variables,
)
from pepperpy_bus.config.setting import Known
from pepperpy_bus.config.settings import validated
from pepperpy_bus.config.values import Loaded, Row, Secret, Settings, value_of
from pepperpy_bus.files import open_to_all
from pepperpy_bus.redaction import scrub
from pepperpy_schemas.errors import BadConfig

_DEFAULT = "default"


def load_settings(
    *,
    flags: Mapping[str, object],
    config: str | Path | None,
    context: str | None,
    environ: Mapping[str, str],
    cwd: Path,
) -> Loaded:
    """Returns the settings in force; `config.load` says what the arguments mean."""
    known = known_settings()
    path = file_in_force(config, environ, cwd)
    file = read_file(path) if path else None
    name = context or environ.get(CONTEXT_VARIABLE) or ""
    layers = [
        layer_of_flags(flags, known, folder=cwd),
        layer_of_environment(environ, known, folder=cwd),
    ]
    sources = [] if file is None else [(file, f"file {file.path}:{file.prefix}")]
    if name:
        found, prefix = read_context(name, file, contexts_folder(environ))
        sources.insert(0, (found, f"context {name} {found.path}:{prefix}"))
    layers += [_layer_of_file(one, origin, known) for one, origin in sources]
    origins = _origins(layers, known)
    settings = _frozen(layers, origins, known)
    warnings = [f"{one} names no setting: ignored" for one in stray_variables(environ, known)]
    for one, _ in sources:
        warnings += _warnings(one, known)
    return Loaded(
        settings=settings,
        origins=origins,
        rows=tuple(_rows(settings, origins, known)),
        reloadable=frozenset(one.name for one in known.values() if one.reloadable),
        warnings=tuple(dict.fromkeys(warnings)),  # a context may lie in the same file
        path=path,
        context=name,
    )


def _layer_of_file(file: ConfigFile, origin: str, known: Mapping[str, Known]) -> Layer:
    return layer_of_table(file.settings, known, origin=origin, folder=file.path.parent.absolute())


def _origins(layers: list[Layer], known: Mapping[str, Known]) -> dict[str, str]:
    return {
        name: next((layer[name].origin for layer in layers if name in layer), _DEFAULT)
        for name in known
    }


def _frozen(
    layers: list[Layer], origins: Mapping[str, str], known: Mapping[str, Known]
) -> Settings:
    try:
        model = validated([nested(layer) for layer in layers])
    except ValidationError as error:
        raise _complaint(error, origins, known) from None
    return msgspec.convert(model.model_dump(), Settings, dec_hook=_plain_value)


def _plain_value(target: type, value: Any) -> Any:
    return Secret(value.get_secret_value()) if target is Secret else value


def _complaint(
    error: ValidationError, origins: Mapping[str, str], known: Mapping[str, Known]
) -> BadConfig:
    lines, hints = [], []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"][:2])
        cause = problem.get("ctx", {}).get("error")
        message = str(cause or problem["msg"])
        if name in known:
            shown = "***" if known[name].kind == "secret" else scrub(repr(problem["input"]))
            lines.append(f"{name} = {shown:.200} ({origins[name]}): {message}")
        else:
            lines.append(f"{name}: {message}")
        hints.append(getattr(cause, "hint", ""))
    return BadConfig("\n".join(lines), hint=next(filter(None, hints), ""))


def _rows(settings: Settings, origins: Mapping[str, str], known: Mapping[str, Known]) -> list[Row]:
    rows = []
    for name, one in known.items():
        shown = one.show(value_of(settings, name))
        rows.append(Row(name, scrub(shown) if isinstance(shown, str) else shown, origins[name]))
    return rows


def _warnings(file: ConfigFile, known: Mapping[str, Known]) -> Iterator[str]:
    if file.outdated:
        yield (
            f"{file.path} is written for config_version {file.version}; "
            f"bring it up: pepperpy config migrate {file.path}"
        )
    if _holds_secret(file, known) and open_to_all(file.path):
        yield (
            f"{file.path} holds a secret and is open to all users of this machine; "
            f"close it: chmod 600 {file.path}"
        )


def _holds_secret(file: ConfigFile, known: Mapping[str, Known]) -> bool:
    values = {
        f"{section}.{key}": value
        for section, inner in file.settings.items()
        for key, value in inner.items()
    }
    return any(
        value and (known[name].kind == "secret" or scrub(str(value)) != str(value))
        for name, value in values.items()
        if name in known
    )
