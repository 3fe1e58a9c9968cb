"""`pepperpy result`: what a task returned, now or when it ends."""

from typing import Annotated

import typer

from pepperpy.commands._ends import WAIT, WAIT_FOR, WaitCommand

command_class = WaitCommand


def command(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    wait: Annotated[bool, WAIT] = False,
    wait_for: Annotated[str | None, WAIT_FOR] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole end: state, attempt, data or error.")
    ] = False,
) -> None:
    """Print what a task returned; a task that failed is an error with exit code 1."""
    from pepperpy.commands._ends import duration, ended, show_end
    from pepperpy.commands._session import open_bus, run

    limit = duration(wait_for, "--wait")

    async def read() -> None:
        async with open_bus(ctx) as client:
            end = await (ended(client, task_id, limit) if wait else client.ended(task_id))
        show_end(end, as_json=as_json)

    run(read())
