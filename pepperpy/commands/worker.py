"""`pepperpy worker module:agent`: runs agents until SIGTERM or Ctrl-C, then drains."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pepperpy_bus.config import Settings

_DROPPED = ("--processes=", "--reload", "--health-port=")


def command(
    ctx: typer.Context,
    agents: Annotated[
        list[str],
        typer.Argument(
            metavar="AGENT...",
            help="module:agent, path/to/file.py:agent or agent.yaml.",
            show_default=False,
        ),
    ],
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", min=1, help="Tasks of one topic at once."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Processes to run.")
    ] = None,
    reload: Annotated[
        bool,
        typer.Option("--reload", help="Restart when code, agents or templates here change."),
    ] = False,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Runs agents: their tasks are shared with every other worker of the same topics.

    SIGTERM or Ctrl-C finishes the running tasks and exits 0; a second one ends at once.
    """
    from pepperpy.commands._failure import say
    from pepperpy.commands._login import login_beside
    from pepperpy.commands._session import options_of
    from pepperpy_bus.config import load
    from pepperpy_bus.config.reload import Reloader
    from pepperpy_bus.logs import configure

    options = options_of(ctx)
    flags = options.flags() | {
        "worker.concurrency": concurrency,
        "worker.processes": processes,
        "worker.health_port": health_port,
    }
    again = partial(load, flags=flags, config=options.config, context=options.context)
    loaded = again()
    if login := login_beside(loaded):
        say(f"the local stack's worker login is used: --context {login}")
        again = partial(again, context=login)
        loaded = again()
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    settings = loaded.settings
    configure(settings.log.level, settings.log.format)
    if settings.worker.processes > 1 or reload:
        _run_pool(settings, agents if reload else [])
        return
    from pepperpy_agents.factory.making import Factory
    from pepperpy_agents.serve import run
    from pepperpy_schemas.errors import PepperError, PermissionDenied

    factory = Factory()
    try:
        found = [factory.create(reference) for reference in agents]
    except PepperError:
        from pepperpy_agents.factory.telling import tell_failures

        tell_failures(settings, factory.made)
        raise
    try:
        run(found, Reloader(loaded, again), made=factory.made)
    except PermissionDenied:
        # A stack that was still starting has its login there now.
        login = login_beside(loaded)
        if not login:
            raise
        say(f"the local stack's worker login is used: --context {login}")
        again = partial(again, context=login)
        run(found, Reloader(again(), again), made=factory.made)


def _run_pool(settings: "Settings", watched: list[str]) -> None:
    """Runs the processes; a change of what the watched agents are made of restarts them."""
    from pepperpy_agents.factory.watching import folders_of
    from pepperpy_agents.pool import Pool, command_of_this_process, single_process_environment

    single_process_environment()
    worker = settings.worker
    health = None if worker.health_port is None else (worker.health_host, worker.health_port)

    async def work() -> int:
        command = command_of_this_process(_DROPPED)
        pool = Pool(command, worker.processes, health=health)
        return await pool.run(folders_of(watched) if watched else [])

    code = asyncio.run(work())
    if code:
        raise typer.Exit(code)
