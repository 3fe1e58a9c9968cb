"""`pepperpy dlq`: the tasks that failed for good: look, replay, drop."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.tasks.deadletters import Filed

app = typer.Typer(
    help="List, show, replay and drop the tasks that failed for good.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Topic = Annotated[str, typer.Option("--topic", help="Those of this topic.")]
Reason = Annotated[str, typer.Option("--reason", help="Those with this error code.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DURATION|TIME", help="Those filed since: 1h.")
]
Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="[SEQ]...", help="Numbers as ls shows them.")
]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_WIDEST = 80
"""Characters of a message that the table shows."""


@app.command("ls")
def list_(
    ctx: typer.Context,
    topic: Topic = "",
    reason: Reason = "",
    since: Since = None,
    as_json: Json = False,
) -> None:
    """List dead letters, the oldest first."""
    from pepperpy.commands._lines import start_of
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import open_bus, run

    begin = start_of(since)

    async def read() -> list[dict[str, Any]]:
        async with open_bus(ctx) as client:
            found = client.dead_letters.find(topic=topic, reason=reason, since=begin)
            return [_row(filed) async for filed in found]

    rows = run(read())
    if not as_json:
        for row in rows:
            row["message"] = _begin(row["message"])
    print_rows(rows, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=1, help="Its number.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter: error, attempts, headers, body."""
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run

    async def read() -> "Filed":
        async with open_bus(ctx) as client:
            return await client.dead_letters.get(seq)

    filed = run(read())
    if as_json:
        print_json({"seq": filed.seq, **msgspec.to_builtins(filed.letter)})
    else:
        typer.echo("\n".join(_explained(filed)))


@app.command()
def replay(
    ctx: typer.Context,
    numbers: Numbers = None,
    topic: Topic = "",
    reason: Reason = "",
    since: Since = None,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Submit them again as new tasks; the letters stay until they are dropped."""

    async def again(client: "Client", seq: int) -> dict[str, Any]:
        filed = await client.dead_letters.get(seq)
        new_id = await client.dead_letters.replay(filed)
        return {
            "seq": seq,
            "topic": filed.letter.topic,
            "task_id": filed.letter.task_id,
            "new_id": new_id,
        }

    _each(ctx, again, "replayed", numbers, topic, reason, since, every, as_json)


@app.command()
def drop(
    ctx: typer.Context,
    numbers: Numbers = None,
    topic: Topic = "",
    reason: Reason = "",
    since: Since = None,
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove them for good."""

    async def remove(client: "Client", seq: int) -> dict[str, Any]:
        await client.dead_letters.drop(seq)
        return {"seq": seq}

    ask = None if yes else "Remove {} dead letters for good?"
    _each(ctx, remove, "dropped", numbers, topic, reason, since, every, as_json, ask)


def _each(
    ctx: typer.Context,
    act: "Callable[[Client, int], Awaitable[dict[str, Any]]]",
    done: str,
    numbers: list[int] | None,
    topic: str,
    reason: str,
    since: str | None,
    every: bool,
    as_json: bool,
    ask: str | None = None,
) -> None:
    """Does one thing to each letter that the arguments name, and prints a line for each."""
    from pepperpy.commands._asking import agreed
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._lines import start_of
    from pepperpy.commands._output import Progress, cell, print_line
    from pepperpy.commands._session import open_bus, run

    begin = start_of(since)
    chosen = bool(topic or reason or since)
    if bool(numbers) + chosen + every != 1:
        raise WrongUsage("give either numbers, or --topic, --reason, --since, or --all", ctx)

    async def work() -> None:
        async with open_bus(ctx) as client:
            # All numbers first: a task that fails again at once files a new letter.
            found = client.dead_letters.find(topic=topic, reason=reason, since=begin)
            wanted = numbers or [filed.seq async for filed in found]
            if ask is not None and wanted and not agreed(ctx, ask.format(len(wanted))):
                raise typer.Abort
            progress = Progress(len(wanted), done)
            try:
                for seq in wanted:
                    told = await act(client, seq)
                    if as_json:
                        print_line(told)
                    else:
                        typer.echo(" ".join(cell(value) for value in told.values()))
                    progress.step()
            finally:
                progress.end()

    run(work())


def _begin(message: str) -> str:
    return message if len(message) <= _WIDEST else message[: _WIDEST - 1] + "…"


def _row(filed: "Filed") -> dict[str, Any]:
    letter = filed.letter
    return {
        "seq": filed.seq,
        "filed": letter.ts.isoformat(timespec="seconds"),
        "topic": letter.topic,
        "task_id": letter.task_id,
        "reason": letter.reason,
        "attempts": len(letter.attempts),
        "message": letter.error.message,
    }


def _explained(filed: "Filed") -> list[str]:
    from pepperpy.commands._output import cell, table

    letter = filed.letter
    about = {
        **_row(filed),
        "deliveries": letter.deliveries,
        "source": letter.source,
        "hint": letter.error.hint,
    }
    lines = [f"{name.replace('_', ' '):<11} {cell(value)}" for name, value in about.items()]
    attempts = [
        {
            "attempt": one.attempt,
            "at": one.ts.isoformat(timespec="seconds"),
            "instance": one.instance,
            "error": one.error and f"{one.error.code}: {one.error.message}",
        }
        for one in letter.attempts
    ]
    lines += ["", *table(attempts)] if attempts else []
    headers = [f"  {cell(name)}: {cell(value)}" for name, value in letter.headers.items()]
    lines += ["", "headers", *headers] if headers else []
    if letter.body_base64 is not None:
        return [*lines, "", "body (base64)", f"  {cell(letter.body_base64)}"]
    return [*lines, "", "body", f"  {cell(letter.body)}"]
