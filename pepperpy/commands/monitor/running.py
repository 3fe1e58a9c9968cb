"""`pepperpy monitor run`: watches the bus and serves the dashboard."""

from typing import Annotated

import typer


def run_(
    ctx: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Where the dashboard listens. [default: 127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Its port; 0 takes a free one. [default: 8230]"),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Watch the bus, serve the dashboard and raise alerts; of several replicas one leads.

    SIGTERM or Ctrl-C finishes the running requests and exits 0; a second one ends at once. SIGHUP
    reads the settings and the alert rules again.
    """
    from pepperpy.commands._serving import serve
    from pepperpy_bus.installing import need

    need("the monitor", ["aiohttp", "opentelemetry.sdk", "prometheus_client"], "monitor")
    from pepperpy_monitor_svc.serve import run

    flags = {
        "monitor.host": host,
        "monitor.port": port,
        "worker.health_port": health_port,
    }
    serve(ctx, "monitor", flags, run)
