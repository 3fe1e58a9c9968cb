"""`pepperpy cancel`: end tasks with all their children."""

from typing import Annotated

import typer


def command(
    ctx: typer.Context,
    task_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The tasks.", show_default=False)
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")] = "",
    wait: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait until it is done.")
    ] = "10s",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line for each task.")
    ] = False,
) -> None:
    """End tasks and all their children: queued, scheduled, running or waiting.

    The exit code is 1 when one had ended otherwise or is not known, and 124 when a request is
    stored but no worker has carried it out in time.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._failure import FAILED, TIMED_OUT, print_error, say
    from pepperpy.commands._output import print_line
    from pepperpy.commands._session import open_bus, run
    from pepperpy_schemas.errors import Conflict, NotFound

    limit = duration(wait, "--wait") or 0.0

    async def cancel() -> int:
        code = 0
        async with open_bus(ctx) as client:
            for task_id in task_ids:
                try:
                    done = await client.cancel(task_id, reason=reason, wait=limit)
                except (Conflict, NotFound) as error:
                    code = FAILED
                    if as_json:
                        print_line({"id": task_id, "canceled": False, "error": error.info()})
                    else:
                        print_error(error)
                    continue
                code = code or (0 if done else TIMED_OUT)
                if as_json:
                    print_line({"id": task_id, "canceled": done})
                elif done:
                    typer.echo(f"{task_id} canceled")
                else:
                    say(f"{task_id} will be canceled: no worker has done it within {wait}")
                    say("  hint: the request is kept for a day; any worker carries it out")
        return code

    if code := run(cancel()):
        raise typer.Exit(code)
