"""The declaration, read from its file, or made of what the environment offers."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from pepperpy_provider_svc.declared.models import Declaration
from pepperpy_schemas.errors import BadConfig

ANTHROPIC_MODEL: Final = "claude-haiku-4-5"
OPENAI_MODEL: Final = "gpt-5-mini"
OPENAI_EMBEDDING: Final = "text-embedding-3-small"
LOCAL_MODEL: Final = "smollm2-135m"

_HIDDEN: Final = ("keys",)


def read_declaration(path: Path | None, environ: Mapping[str, str]) -> Declaration:
    """Returns what the service shall offer.

    Args:
        path: The file, TOML. Without one, the alias ``default`` is asked of the providers whose
            keys the environment has (``OPENAI_API_KEY``, ``ANTHROPIC_API_KEY``, or the same with
            ``_FILE``), in this order; without any key, of a small model on this machine.
        environ: The environment.

    Raises:
        BadConfig: The file cannot be read, or a key of it is wrong; each is named with its place.
    """
    if path is None:
        return from_environment(environ)
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
        declaration = Declaration.model_validate(table)
    except ValidationError as error:
        raise _complaint(path, error) from None
    return _beside(path.parent, declaration)


def from_environment(environ: Mapping[str, str]) -> Declaration:
    """Returns the declaration for the keys that are in the environment.

    Raises:
        BadConfig: The address of a provider is none.
    """
    providers: dict[str, Any] = {}
    targets: list[str] = []
    models: dict[str, Any] = {"default": {"targets": targets}}
    if _has(environ, "OPENAI_API_KEY"):
        providers["openai"] = {
            "kind": "openai",
            "base_url": environ.get("OPENAI_BASE_URL", ""),
            "keys": [{"env": "OPENAI_API_KEY"}],
        }
        targets.append(f"openai/{OPENAI_MODEL}")
        models["embedding"] = {"targets": [f"openai/{OPENAI_EMBEDDING}"]}
    if _has(environ, "ANTHROPIC_API_KEY"):
        providers["anthropic"] = {
            "kind": "anthropic",
            "base_url": environ.get("ANTHROPIC_BASE_URL", ""),
            "keys": [{"env": "ANTHROPIC_API_KEY"}],
        }
        targets.append(f"anthropic/{ANTHROPIC_MODEL}")
    if not targets:
        providers["local"] = {"kind": "local"}
        targets.append(f"local/{LOCAL_MODEL}")
    try:
        return Declaration.model_validate({"providers": providers, "models": models})
    except ValidationError as error:
        raise _complaint("the environment", error) from None


def key_variables(declaration: Declaration) -> frozenset[str]:
    """Returns the variables that hold keys, or say where one lies: no other process needs them."""
    named = {key.env for one in declaration.providers.values() for key in one.keys if key.env}
    return frozenset(named | {f"{name}_FILE" for name in named})


def _has(environ: Mapping[str, str], name: str) -> bool:
    if environ.get(name):
        return True
    path = environ.get(f"{name}_FILE", "")
    # A deployment may mount a file for every provider, and fill those that it has a key for.
    return bool(path) and (not Path(path).is_file() or Path(path).stat().st_size > 0)


def _beside(folder: Path, declaration: Declaration) -> Declaration:
    """The declaration with its relative paths taken from the file's folder."""
    providers = {
        name: provider.model_copy(
            update={
                "keys": tuple(
                    key.model_copy(update={"file": key.file and folder / key.file})
                    for key in provider.keys
                ),
                "script": provider.script and folder / provider.script,
                "model": provider.model and folder / provider.model,
            }
        )
        for name, provider in declaration.providers.items()
    }
    return declaration.model_copy(update={"providers": providers})


def _complaint(path: Path | str, error: ValidationError) -> BadConfig:
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        shown = "" if _secret(problem) else f" = {problem['input']!r:.80}"
        message = str(problem.get("ctx", {}).get("error") or problem["msg"])
        lines.append(f"{path}: {where}{shown}: {message}")
    return BadConfig("\n".join(lines), hint="every key is described in docs/how-to/models.md")


def _secret(problem: Any) -> bool:
    """Whether the value could hold a key that somebody wrote where only its name belongs."""
    return any(part in _HIDDEN for part in problem["loc"]) or isinstance(
        problem["input"], dict | list
    )
