"""`pepperpy memory reindex`: all vectors made anew, by a task that outlives who began it."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pepperpy.commands.memory._options import Detach, Here, Json

if TYPE_CHECKING:
    from pepperpy.commands.memory._progress import Bar
    from pepperpy_bus.memory import Memory
    from pepperpy_schemas.memory_requests import ReindexProgress


def reindex(
    ctx: typer.Context,
    embedder: Annotated[
        str, typer.Argument(help="e5, sentence-transformers, onnx:FOLDER, provider:MODEL, ….")
    ],
    detach: Detach = False,
    here: Here = False,
    as_json: Json = False,
) -> None:
    """Make all vectors anew by another embedder; searches go on with the old ones meanwhile.

    A task does it, and goes on when its worker or the memory is killed; Ctrl-C ends it, and the
    same command goes on where it was. An embedder that was in use before is gone back to. Who may
    is said by `reindexers` of the memory's declaration; the task's worker asks as itself.
    """
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run
    from pepperpy.commands.memory._service import full
    from pepperpy_schemas.memory_ingest import REINDEX
    from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest

    if here and detach:
        raise WrongUsage("--here does it now: leave --detach out", ctx)

    async def work() -> "ReindexProgress | str":
        from pepperpy.commands.memory._long_work import follow, submit
        from pepperpy.commands.memory._progress import Bar

        async with open_bus(ctx) as client:
            if here:
                return await _here(client.memory, embedder, Bar("embedding"))
            task_id = await submit(client, REINDEX, ReindexRequest(embedder))
            if detach:
                return task_id
            return await follow(client, task_id, Bar("embedding"), ReindexProgress)

    done = run(work())
    if isinstance(done, str):
        if as_json:
            print_json({"id": done, "topic": REINDEX})
        else:
            typer.echo(done)
    elif as_json:
        print_json(full(done))
    else:
        typer.echo(f"vectors of {done.embedder} are searched now: {done.done} made")


async def _here(memory: "Memory", embedder: str, bar: "Bar") -> "ReindexProgress":
    from pepperpy.commands._failure import say
    from pepperpy.commands.memory._long_work import STOPPED
    from pepperpy_schemas.memory_requests import ReindexProgress

    last = ReindexProgress(0, 0, embedder)
    try:
        async for last in memory.reindex(embedder):
            bar.show(1 - last.left / max(last.entries, last.left, 1), last.embedder)
    except asyncio.CancelledError:
        bar.clear()
        say(STOPPED)
        raise
    finally:
        bar.clear()
    return last
