"""`pepperpy budget`: what a task and its descendants may spend, and what they have."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_schemas.shared import Ledger


def command(
    ctx: typer.Context,
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="The task that was submitted with a budget.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a task and its descendants may spend, have spent, and are about to."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

    async def read() -> "Ledger":
        from pepperpy_bus.state.budget import Budgets
        from pepperpy_bus.state.cells import Cells
        from pepperpy_bus.streams.clock import ServerClock

        async with open_link(ctx) as link:
            clock = ServerClock(link.connection, link.prefix)
            return await Budgets(Cells(link.connection, link.prefix), clock).ledger(task_id)

    units = _units(run(read()))
    if as_json:
        print_json({"task_id": task_id, "units": units})
    else:
        print_rows([{k: _text(v) for k, v in row.items()} for row in units], as_json=False)


def _units(ledger: "Ledger") -> list[dict[str, Any]]:
    from pepperpy_bus.state.ledgers import left, plus
    from pepperpy_schemas.budgets import UNITS, allowance_of

    held = plus(*(one.amounts for one in ledger.reserved.values()))
    columns = {
        "limit": allowance_of(ledger.limits),
        "spent": allowance_of(ledger.spent),
        "reserved": allowance_of(held),
        "left": allowance_of(left(ledger)),
    }
    return [
        {"unit": unit, **{name: getattr(one, unit) for name, one in columns.items()}}
        for unit in UNITS
    ]


def _text(value: object) -> str:
    """A number as people read it, with no more digits than it has."""
    match value:
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.9g}"
        case _:
            return str(value or "-")
