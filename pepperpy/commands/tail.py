"""`pepperpy tail`: the events of everything, or of a pattern, without a gap."""

from datetime import UTC, datetime
from typing import Annotated

import typer


def command(
    ctx: typer.Context,
    pattern: Annotated[
        str,
        typer.Argument(
            help="Entity, verb, scope and id from the left: 'task.failed.*', 'task.*.triage.>'."
        ),
    ] = ">",
    since: Annotated[
        str | None,
        typer.Option(metavar="DURATION|TIME", help="Start that long ago, or then: 10m."),
    ] = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End with the last event that is there now.")
    ] = False,
    where: Annotated[
        str, typer.Option(metavar="EXPR", help="Only those: \"data.code == 'timeout'\".")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, as in a pipe.")
    ] = False,
) -> None:
    """Follow events as they happen; in a pipe as one JSON object a line.

    With --until-end and without --since it begins with the oldest event there is.
    """
    from pepperpy.commands._lines import as_document, as_line, start_of
    from pepperpy.commands._output import is_live, print_line
    from pepperpy.commands._session import open_bus, run, say_when_away

    _check(pattern, where)
    _say_unknown(pattern.partition(".")[0])
    begin = start_of(since)
    if until_end and begin is None:
        begin = datetime.fromtimestamp(0, UTC)
    live = is_live() and not as_json

    async def follow() -> None:
        async with open_bus(ctx) as client:
            say_when_away(client)
            async for one in client.events(pattern, where=where, since=begin, until_end=until_end):
                if live:
                    typer.echo(as_line(one, colour=True))
                else:
                    print_line(as_document(one))

    run(follow())


def _say_unknown(entity: str) -> None:
    """Notes an entity that may be misspelt: nothing might ever come."""
    from pepperpy.commands._failure import say
    from pepperpy_schemas.catalog.events import ENTITIES

    if entity not in (*ENTITIES, "*", ">"):
        known = ", ".join(ENTITIES)
        say(f'note: "{entity}" is none of {known}; only an agent\'s own events can have it')


def _check(pattern: str, where: str) -> None:
    from pepperpy_bus.events import event_subjects
    from pepperpy_bus.where import compile_where
    from pepperpy_schemas.errors import PepperError

    for hint, check in (
        ("PATTERN", lambda: event_subjects("pp", pattern)),
        ("--where", lambda: compile_where(where) if where else None),
    ):
        try:
            check()
        except PepperError as error:
            raise typer.BadParameter(f"{error}; {error.hint}", param_hint=hint) from None
