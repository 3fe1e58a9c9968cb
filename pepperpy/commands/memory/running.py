"""`pepperpy memory run`: serves the memory."""

from pathlib import Path
from typing import Annotated

import typer


def run_(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="memory://, embedded:FOLDER or postgresql://…"),
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="NAME", help="What makes vectors. [default: e5]")
    ] = None,
    declaration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of namespaces.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Serve the memory to everybody on the bus; replicas share the requests.

    SIGTERM or Ctrl-C finishes the running requests and exits 0; a second one ends at once. SIGHUP
    reads the settings and the declaration again.
    """
    from functools import partial

    from pepperpy.commands._failure import say
    from pepperpy.commands._session import options_of
    from pepperpy_bus.config import load
    from pepperpy_bus.config.reload import Reloader
    from pepperpy_bus.logs import configure
    from pepperpy_memory_svc.serve import run

    options = options_of(ctx)
    flags = options.flags() | {
        "memory.url": url,
        "memory.embedder": embedder,
        "memory.declaration": None if declaration is None else str(declaration),
        "worker.health_port": health_port,
    }
    again = partial(load, flags=flags, config=options.config, context=options.context)
    loaded = again()
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    configure(loaded.settings.log.level, loaded.settings.log.format)
    run(Reloader(loaded, again))
