"""`pepperpy rerun`: does a task again, from its beginning or from a step on."""

import json
from typing import Annotated, Any

import typer

from pepperpy.commands._ends import WAIT, WAIT_FOR, WaitCommand

command_class = WaitCommand


def command(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    from_step: Annotated[
        str | None,
        typer.Option(
            metavar="N|NAME", help="The first step to do again; those before are taken over."
        ),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Go on after the last step that was finished.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change the input: customer.name=Ana, lines.0.amount=3; JSON, else text.",
        ),
    ] = None,
    wait: Annotated[bool, WAIT] = False,
    wait_for: Annotated[str | None, WAIT_FOR] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Do a task again as a new task, and print its id, or with --wait what it returned.

    Without --from-step and --unfinished everything is done again.
    """
    from pepperpy.commands._ends import duration, ended, show_end
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run

    if unfinished and from_step is not None:
        raise WrongUsage("give either --from-step or --unfinished", ctx)
    step = int(from_step) if from_step is not None and from_step.isdigit() else from_step
    new_values = dict(map(_change, changes or []))
    limit = duration(wait_for, "--wait")

    async def again() -> None:
        async with open_bus(ctx) as client:
            new = await client.rerun(
                task_id, from_step=step, unfinished=unfinished, changes=new_values
            )
            if wait:
                show_end(await ended(client, new, limit), as_json=as_json)
            elif as_json:
                print_json({"task_id": task_id, "new_id": new})
            else:
                typer.echo(new)

    run(again())


def _change(text: str) -> tuple[str, Any]:
    path, mark, value = text.partition("=")
    if not mark or not path:
        raise typer.BadParameter(
            "write PATH=VALUE: customer.name=Ana", param_hint=f"--set {text!r}"
        )
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value
