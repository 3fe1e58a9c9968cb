"""`pepperpy watch`: one task's events, live output and end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pepperpy_bus.events import Heard
    from pepperpy_bus.tasks.watch import Update
    from pepperpy_schemas.messages import Token

SILENT_AFTER = 2.0
"""Seconds without a sign of the task after which its watcher is told so."""


def command(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="[ATTEMPT:]N",
            help="Begin with piece N of the live output, of that attempt.",
            show_default=False,
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, as in a pipe.")
    ] = False,
) -> None:
    """Follow one task from its beginning to its end; the exit code says how it ended."""
    from pepperpy.commands._output import is_live
    from pepperpy.commands._session import open_bus, run, say_when_away

    screen = Screen() if is_live() and not as_json else Lines()
    position = _position(start)

    async def follow() -> None:
        async with open_bus(ctx) as client:
            say_when_away(client)
            async for update in _told_when_silent(client.watch(task_id, start=position), task_id):
                screen.show(update)

    run(follow())
    if not screen.ok:
        raise typer.Exit(1)


def _position(text: str) -> int | tuple[int, int] | None:
    attempt, colon, seq = text.rpartition(":")
    if not text:
        return None
    if not seq.isdigit() or (colon and not attempt.isdigit()) or int(seq) < 1:
        raise typer.BadParameter(
            f"{text!r} is no piece of output: write 12, or 2:12", param_hint="--from"
        )
    return (int(attempt), int(seq)) if colon else int(seq)


class Lines:
    """Updates as NDJSON, for programs."""

    ok = False

    def show(self, update: "Update") -> None:
        """Prints one update."""
        from pepperpy.commands import _ends, _lines
        from pepperpy.commands._output import print_line

        if update.event is not None:
            print_line(_lines.as_document(update.event))
        elif update.token is not None:
            print_line({"token": update.token})
        elif update.gap is not None:
            print_line({"gap": update.gap})
        elif update.ended is not None:
            self.ok = update.ended.result.ok
            print_line({"ended": _ends.as_document(update.ended)})


class Screen:
    """Updates on a terminal: events as lines, live output as running text."""

    ok = False

    def __init__(self) -> None:
        self._attempt = 0
        self._in_text = False

    def show(self, update: "Update") -> None:
        """Prints one update."""
        from pepperpy.commands._ends import say_failure
        from pepperpy.commands._lines import as_line
        from pepperpy.commands._output import print_json

        if update.token is not None:
            self._write(update.token)
            return
        self._end_text()
        if update.gap is not None:
            missing = update.gap.last - update.gap.first + 1
            typer.echo(f"— {missing} pieces of output are missing —")
        elif update.event is not None:
            typer.echo(as_line(update.event, colour=True))
            if update.event.verb == "input_required":
                typer.echo(_asks(update.event))
        elif update.ended is not None:
            self.ok = update.ended.result.ok
            if self.ok:
                print_json(update.ended.result.data)
            else:
                say_failure(update.ended)

    def _write(self, token: "Token") -> None:
        from pepperpy_bus.redaction import escape

        if self._attempt and token.attempt != self._attempt:
            self._end_text()
            typer.echo(f"— attempt {token.attempt} —")
        self._attempt = token.attempt
        said = token.t or ("" if token.end else bytes(token.data).decode() + "\n")
        text = "\n".join(map(escape, said.split("\n")))
        typer.echo(text, nl=False)
        self._in_text = (bool(text) and not text.endswith("\n")) or (self._in_text and not text)

    def _end_text(self) -> None:
        if self._in_text:
            typer.echo()
        self._in_text = False


def _asks(event: "Heard") -> str:
    """The question of an event, and the line that answers it."""
    from pepperpy.commands.questions import shown
    from pepperpy_bus.redaction import escape

    text, choices = str(event.data.get("text", "")), event.data.get("choices") or ["VALUE"]
    answers = "|".join(shown(one) for one in choices)
    return f"  {escape(text)}\n  answer it with: pepperpy answer {event.id} {escape(answers)}"


async def _told_when_silent(
    updates: "AsyncIterator[Update]", task_id: str
) -> "AsyncIterator[Update]":
    """The same updates; when none comes for a while, a person may have mistyped the id."""
    from pepperpy.commands._failure import say

    async def tell() -> None:
        await asyncio.sleep(SILENT_AFTER)
        say(f"note: nothing is known of {task_id} yet: waiting for it")

    telling = asyncio.create_task(tell(), name="watch-silent")
    try:
        async for update in updates:
            telling.cancel()
            yield update
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
