"""How the commands that serve begin: settings with the command's own above them, read again."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import typer

from pepperpy.commands._failure import say
from pepperpy.commands._login import login_of_service
from pepperpy.commands._session import options_of
from pepperpy_bus.config import load
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure

if TYPE_CHECKING:
    from pepperpy_bus.trust.principals import Role


def serve(
    ctx: typer.Context,
    role: "Role",
    flags: Mapping[str, str | int | None],
    run: Callable[[Reloader], None],
) -> None:
    """Serves with the settings in force, which SIGHUP reads again; logs as they say.

    Beside a stack that runs here it has the login that this role has there.

    Args:
        ctx: The command's context, with the options before its name.
        role: Whose login it needs.
        flags: Settings that the command's own options give; None where one does not.
        run: Serves until it is told to stop.
    """
    from pepperpy_schemas.errors import PermissionDenied

    options = options_of(ctx)
    again = partial(load, flags=options.flags() | dict(flags), config=options.config)
    loaded = again(context=options.context)
    if login := login_of_service(loaded, role):
        _say_login(role, login)
        loaded = again(context=login)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    configure(loaded.settings.log.level, loaded.settings.log.format)
    try:
        run(Reloader(loaded, partial(again, context=loaded.context or options.context)))
    except PermissionDenied:
        # A stack that was still starting has its login there now.
        login = login_of_service(loaded, role)
        if not login:
            raise
        _say_login(role, login)
        run(Reloader(again(context=login), partial(again, context=login)))


def _say_login(role: "Role", login: str) -> None:
    say(f"the local stack's {role} login is used: --context {login}")
