"""How the commands that serve begin: settings with the command's own above them, read again."""

from collections.abc import Mapping
from functools import partial

import typer

from pepperpy.commands._failure import say
from pepperpy.commands._session import options_of
from pepperpy_bus.config import load
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure


def reloader(ctx: typer.Context, flags: Mapping[str, str | int | None]) -> Reloader:
    """Returns the settings in force, which SIGHUP reads again; logs as they say.

    Args:
        ctx: The command's context, with the options before its name.
        flags: Settings that the command's own options give; None where one does not.
    """
    options = options_of(ctx)
    again = partial(
        load,
        flags=options.flags() | dict(flags),
        config=options.config,
        context=options.context,
    )
    loaded = again()
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    configure(loaded.settings.log.level, loaded.settings.log.format)
    return Reloader(loaded, again)
