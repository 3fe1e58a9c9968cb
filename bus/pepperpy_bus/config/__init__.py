"""The settings in force: read once, from files, environment and flags, then passed down frozen.

Growing strength: defaults, file, context, environment, flags. This is the only module that reads
the environment for settings. Nothing that it gives away needs pydantic.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pepperpy_bus.config.values import Loaded, Row, Secret, Settings

__all__ = ["Loaded", "Row", "Secret", "Settings", "load", "locate", "peek"]


def load(
    *,
    flags: Mapping[str, object] | None = None,
    config: str | Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Returns the settings in force.

    Args:
        flags: Values given by hand, by dotted name (`nats.url`); None counts as not given.
        config: The file to read; by default `PEPPERPY_CONFIG`, else the nearest one upward.
        context: The context to apply; by default `PEPPERPY_CONTEXT`, else none.
        environ: Variables; by default those of this process.
        cwd: Where to look for a file from; by default the current folder.

    Raises:
        BadConfig: A name does not exist, a value does not fit, or a file cannot be read. The
            message names the value and its origin.
    """
    from pepperpy_bus.config.loading import load_settings

    return load_settings(
        flags=flags or {},
        config=config,
        context=context,
        environ=os.environ if environ is None else environ,
        cwd=cwd or Path.cwd(),
    )


def locate(
    *,
    config: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Path | None:
    """Returns the file that `load` reads with the same arguments, without reading its settings."""
    from pepperpy_bus.config.files import file_in_force

    return file_in_force(config, os.environ if environ is None else environ, cwd or Path.cwd())


def peek(
    *names: str,
    config: str | Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> dict[str, object]:
    """Returns what file, context and environment say of a few settings, as it is written there.

    It validates nothing and knows no defaults: for commands that run every few seconds, as health
    checks do, and cannot afford `load`.

    Args:
        *names: Dotted names of settings; those that are not set are left out.
        config: As for `load`.
        context: As for `load`.
        environ: As for `load`.
        cwd: As for `load`.
    """
    from pepperpy_bus.config.peeking import peek_settings

    return peek_settings(
        names,
        config=config,
        context=context,
        environ=os.environ if environ is None else environ,
        cwd=cwd or Path.cwd(),
    )
