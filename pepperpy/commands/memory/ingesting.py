"""`pepperpy memory ingest`: files and folders taken in, by a task that outlives who began it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pepperpy.commands.memory._options import Detach, Here, Json, Metadata, Namespace, metadata_of

if TYPE_CHECKING:
    from pepperpy.commands.memory._progress import Bar
    from pepperpy_bus.memory import Memory
    from pepperpy_schemas.memory_ingest import Document, Ingested, IngestTask, Skipped

_NAMED = 10
"""Files that are named of those that are left out; --json has all of them."""


def ingest(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="Folders and files.")
    ],
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="What it is known by; its own name.")
    ] = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget the files of these folders that are gone.")
    ] = False,
    most: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Take no more than this: 64KiB; the smallest first."),
    ] = None,
    metadata: Metadata = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Mark the content as one to rely on; with --here.")
    ] = False,
    detach: Detach = False,
    here: Here = False,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Take in text files, in passages that know their file and lines.

    The same again changes nothing, and takes in what is new. A task does it, and goes on when its
    worker or the memory is killed; Ctrl-C ends it, and what is done stays. Hidden files and folders
    are passed over.
    """
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run
    from pepperpy.commands.memory._folders import names_of
    from pepperpy.commands.memory._service import full
    from pepperpy_schemas.memory_ingest import INGEST, Ingested, IngestTask

    if name and len(paths) > 1:
        raise WrongUsage("--as names one folder or file", ctx)
    if here and detach:
        raise WrongUsage("--here does it now: leave --detach out", ctx)
    if trusted and not here:
        raise WrongUsage("a task vouches for nothing: add --here to --trusted", ctx)
    names = [name] if name else names_of(paths)
    if twice := next((one for one in names if names.count(one) > 1), ""):
        raise WrongUsage(f"two of these are {twice!r}: take them in one by one, with --as", ctx)
    values = metadata_of(metadata or [])

    async def work() -> "Ingested | str":
        from pepperpy.commands.memory._folders import found, limited, read
        from pepperpy.commands.memory._long_work import follow, submit
        from pepperpy.commands.memory._progress import Bar
        from pepperpy.commands.memory._uploads import Uploads

        async with open_bus(ctx) as client:
            memory = client.memory.within(namespace=namespace)
            async with Uploads(memory) as uploads:
                files = found(paths, names)
                given = await read(uploads, files if most is None else limited(files, _size(most)))
                task = IngestTask(
                    documents=given.documents,
                    skipped=given.skipped,
                    prune=given.folders if prune else [],
                    namespace=namespace,
                    metadata=values,
                )
                bar = Bar("ingesting")
                if here:
                    return await _here(memory, task, bar, trusted=trusted)
                task_id = await submit(client, INGEST, task, submitting=uploads.hand_over)
                if detach:
                    return task_id
                return await follow(client, task_id, bar, Ingested, canceled=uploads.take_back)

    done = run(work())
    if isinstance(done, str):
        if as_json:
            print_json({"id": done, "topic": INGEST})
        else:
            typer.echo(done)
    elif as_json:
        print_json(full(done))
    else:
        _show(done)


async def _here(memory: "Memory", task: "IngestTask", bar: "Bar", *, trusted: bool) -> "Ingested":
    """Does what the task would, and may vouch for it."""
    from pepperpy.commands._failure import say
    from pepperpy.commands.memory._long_work import STOPPED
    from pepperpy_bus.memory.taking_in import Options, forget_others, size_of, take_in
    from pepperpy_schemas.memory_ingest import Ingested

    size = sum(map(size_of, task.documents))

    async def report(done: float, document: "Document", _: "Ingested") -> None:
        bar.show(done / size, document.file)

    try:
        options = Options(task.metadata, trusted)
        total = Ingested(skipped=task.skipped)
        total += await take_in(memory, task.documents, options, report)
        names = [one.file for one in task.documents] + [one.file for one in task.skipped]
        for folder in task.prune:
            total += Ingested(removed=await forget_others(memory, folder, names))
    except asyncio.CancelledError:
        bar.clear()
        say(STOPPED)
        raise
    finally:
        bar.clear()
    return total


def _size(text: str) -> int:
    from pepperpy_bus.units import BadUnit, parse_size

    try:
        return parse_size(text)
    except BadUnit as error:
        raise typer.BadParameter(f"{error}; {error.hint}", param_hint="--most") from None


def _show(done: "Ingested") -> None:
    where = f" in namespace {done.namespace}" if done.namespace else ""
    typer.echo(
        f"{_count(done.files, 'file')}, {_count(done.passages, 'passage')}{where}: "
        f"{done.new} new, {done.moved} moved, {done.removed} removed"
    )
    _show_skipped(done.skipped)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _show_skipped(skipped: "list[Skipped]") -> None:
    from pepperpy.commands._failure import say

    reasons: dict[str, list[str]] = {}
    for one in skipped:
        reasons.setdefault(one.reason, []).append(one.file)
    for reason, files in reasons.items():
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        say(f"left out: {', '.join(files[:_NAMED])}{more}: {reason}")
