"""`pepperpy edge`: tasks over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Take tasks over HTTP, for people and programs without NATS.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def edge() -> None:
    """Take tasks over HTTP, for people and programs without NATS."""


@app.command("run")
def run_(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where it listens.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of tokens, one a line.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; /openapi.json says what can be asked.

    Requests that wait for a task have some time to finish then. SIGHUP reads the tokens again.
    """
    from pepperpy.commands._serving import serve
    from pepperpy_bus.installing import need

    need("the HTTP edge", ["aiohttp"], "monitor")
    from pepperpy_monitor_svc.edge.serve import run

    flags = {
        "edge.host": host,
        "edge.port": port,
        "edge.tokens": None if tokens is None else str(tokens),
        "worker.health_port": health_port,
    }
    serve(ctx, "edge", flags, run)
