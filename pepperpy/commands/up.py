"""`pepperpy up`: the whole stack in one terminal."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Agents = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODULE:AGENT]...", help="The agents to run; FILE.py:AGENT too."),
]


def command(
    ctx: typer.Context,
    agents: Agents = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes per agent. [default: 2]")
    ] = None,
    persist: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the data here; else it ends with the stack."),
    ] = None,
    nats: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this broker instead of an own one.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="The broker's port; 0 takes a free one. [default: 4222]"
        ),
    ] = None,
    durability: Annotated[
        Literal["fast", "strict"] | None,
        typer.Option(help="Sync the disk every 100 ms or before each receipt. [default: fast]"),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start workers again when their code changes.")
    ] = False,
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Whether to serve language models too.")
    ] = True,
    memory: Annotated[
        bool | None,
        typer.Option(
            "--memory/--no-memory",
            help="Whether to remember things too. [default: where its packages are installed]",
        ),
    ] = None,
    monitor: Annotated[
        bool, typer.Option("--monitor/--no-monitor", help="Whether to serve the dashboard too.")
    ] = True,
    embedder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What makes the memory's vectors: sentence-transformers, onnx:FOLDER, …. "
            "[default: e5]",
        ),
    ] = None,
    hops: Annotated[
        bool | None,
        typer.Option("--hops/--no-hops", help="Whether traces show what the broker did."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object when it is ready.")
    ] = False,
) -> None:
    """Start a broker, services and workers here, and stop them with Ctrl-C.

    Without an agent the broker waits for workers of yours. Language models are asked with the keys
    in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY), or run here when there is none. What is
    remembered is in a PostgreSQL of the stack's own, unless memory.url names another.
    """
    import asyncio
    import os

    from pepperpy.commands._failure import say
    from pepperpy.commands._session import options_of
    from pepperpy.stack.services import services
    from pepperpy.stack.services import workers as worker_children
    from pepperpy.stack.up import Plan, run_stack
    from pepperpy_bus.config import load
    from pepperpy_bus.config.layers import CONFIG_VARIABLE, CONTEXT_VARIABLE
    from pepperpy_bus.logs import configure

    options = options_of(ctx)
    url = nats or options.nats
    flags = {
        **options.flags(),
        "nats.url": url,
        "stack.workers": workers,
        "stack.persist": None if persist is None else str(persist),
        "stack.port": port,
        "stack.durability": durability,
        "stack.hops": hops,
        "memory.embedder": embedder,
    }
    loaded = load(flags=flags, config=options.config, context=options.context)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    configure("error", loaded.settings.log.format)
    settings = loaded.settings
    if memory is None and embedder is not None:
        memory = True  # who names an embedder wants a memory
    plan = Plan(
        settings=settings,
        services=services(settings, os.environ, models=models, memory=memory, monitor=monitor),
        children=worker_children(agents or (), settings.stack.workers, reload=reload),
        foreign=url is not None,
        environment={
            "PEPPERPY_BUS_PREFIX": settings.bus.prefix,
            "PEPPERPY_LOG_LEVEL": settings.log.level,
            **({"PEPPERPY_MEMORY_EMBEDDER": embedder} if embedder is not None else {}),
            **({CONFIG_VARIABLE: str(options.config.absolute())} if options.config else {}),
            **({CONTEXT_VARIABLE: options.context} if options.context else {}),
        },
        as_json=as_json,
    )
    if code := asyncio.run(run_stack(plan)):
        raise typer.Exit(code)
