"""`pepperpy memory run`: serves the memory."""

from pathlib import Path
from typing import Annotated

import typer


def run_(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="embedded:FOLDER, postgresql://…, redis://…, qdrant://… or qdrant-edge:FOLDER. "
            "[default: memory://]",
        ),
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
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._serving import serve
    from pepperpy_memory_svc.serve import run

    if url is not None and not url.strip():
        raise WrongUsage("--url is empty: name a store, or leave it out", ctx)
    flags = {
        "memory.url": url,
        "memory.embedder": embedder,
        "memory.declaration": None if declaration is None else str(declaration),
        "worker.health_port": health_port,
    }
    serve(ctx, "memory", flags, run)
