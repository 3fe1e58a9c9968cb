"""`pepperpy monitor`: how the monitor is, what it sees, and running it."""

import typer

from pepperpy.commands.monitor import running, showing, snapshots

app = typer.Typer(
    help="Show what the monitor sees, and run it with its dashboard.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command()(showing.status)
app.command()(showing.tasks)
app.add_typer(snapshots.app, name="snapshots")
app.command("run")(running.run_)
