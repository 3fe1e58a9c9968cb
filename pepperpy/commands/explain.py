"""`pepperpy explain`: what happened to a task, from its submission to its end."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pepperpy_bus.tasks.explanation import Explanation


def command(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task.", show_default=False)],
    children: Annotated[
        bool, typer.Option("--children", help="Tell of its children too, and of theirs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what happened to a task: attempts, steps, waits, children, who, cost, end.

    It is put together of what the broker still has: journal, events, result, queue, schedules.
    """
    from pepperpy.commands._output import is_live, print_json
    from pepperpy.commands._session import open_bus, run

    async def read() -> "Explanation":
        async with open_bus(ctx) as client:
            return await client.explain(task_id, children=children)

    story = run(read())
    if as_json:
        print_json(story)
        return
    from pepperpy.commands._story import lines

    typer.echo("\n".join(lines(story)), color=is_live())
