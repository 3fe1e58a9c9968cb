"""The end of a task on the command line: waiting for it, printing it, its exit code."""

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.tasks.results import Ended

_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h|d))+")


class WaitCommand(TyperCommand):
    """A command whose ``--wait`` may carry a limit: ``--wait`` or ``--wait=30s``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads ``--wait=30s`` as a flag and its limit, which typer's options cannot say."""
        split: list[str] = []
        for n, argument in enumerate(args):
            if argument == "--":
                split += args[n:]
                break
            if argument == "--wait" and n + 1 < len(args) and _DURATION.fullmatch(args[n + 1]):
                limit = args[n + 1]
                raise typer.BadParameter(f"write --wait={limit}", ctx, param_hint=repr(limit))
            name, mark, limit = argument.partition("=")
            known = mark and name == "--wait"
            split += ["--wait", "--wait-for", limit] if known else [argument]
        return super().parse_args(ctx, split)


WAIT = typer.Option("--wait", help="Wait for the end; --wait=30s gives up after that (exit 124).")
WAIT_FOR = typer.Option("--wait-for", hidden=True, metavar="DURATION")


def duration(text: str | None, option: str) -> float | None:
    """Returns the seconds of an option's value, or None when it was not given.

    Raises:
        typer.BadParameter: It is no duration.
    """
    from pepperpy_bus.units import BadUnit, parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except BadUnit as error:
        raise typer.BadParameter(f"{error}; {error.hint}", param_hint=option) from None


async def ended(client: "Client", task_id: str, limit: float | None) -> "Ended":
    """Waits for the end of a task; who interrupts it is told how to go on.

    Raises:
        TimeoutError: It has not come in time; the error says how to go on.
    """
    from pepperpy.commands._failure import say

    try:
        return await end_of(client, task_id, limit)
    except asyncio.CancelledError:
        say(f"task {task_id} has not ended")
        say(f"  {_goes_on(task_id)}")
        raise


async def end_of(client: "Client", task_id: str, limit: float | None) -> "Ended":
    """Waits for the end of one task of several.

    Raises:
        TimeoutError: It has not come in time; the error says how to go on.
    """
    from pepperpy_bus.units import format_duration

    try:
        async with client.results.expect(task_id, submitted=True) as waiter:
            return await waiter.wait(limit)
    except TimeoutError:
        late = TimeoutError(f"task {task_id} has not ended within {format_duration(limit or 0)}")
        late.add_note(_goes_on(task_id))
        raise late from None


def _goes_on(task_id: str) -> str:
    return f"hint: it goes on; ask again with: pepperpy result {task_id} --wait"


def as_document(end: "Ended") -> dict[str, Any]:
    """Returns a task's end as the JSON that ``--json`` prints."""
    document: dict[str, Any] = {"id": end.id, "state": str(end.result.state), "ok": end.result.ok}
    if end.topic:
        document["topic"] = end.topic
    if end.attempt:
        document["attempt"] = end.attempt
    if end.result.ok:
        return {**document, "data": msgspec.json.decode(end.result.data)}
    return {**document, "error": end.result.error}


def show_end(end: "Ended", *, as_json: bool) -> None:
    """Prints what a task returned to stdout, or what it failed with to stderr.

    Raises:
        typer.Exit: It failed (code 1).
    """
    from pepperpy.commands._output import print_json

    if as_json:
        print_json(as_document(end))
    elif end.result.ok:
        print_json(msgspec.json.decode(end.result.data))
    if not end.result.ok:
        if not as_json:
            say_failure(end)
        raise typer.Exit(1)


def say_failure(end: "Ended") -> None:
    """Says what a task failed with."""
    from pepperpy.commands._failure import print_error
    from pepperpy_schemas.errors import ErrorInfo, error_from_info

    info = end.result.error or ErrorInfo("handler_error", message="it did not say why")
    error = error_from_info(info)
    attempt = f" in attempt {end.attempt}" if end.attempt else ""
    what = f"{end.topic} {end.id}" if end.topic else end.id
    error.args = (f"task {what} {end.result.state}{attempt}: {info.message or info.code}",)
    error.add_note(f"code: {info.code}")
    print_error(error)
