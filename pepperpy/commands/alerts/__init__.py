"""`pepperpy alerts`: what is wrong, who is told of it, and what is kept from them."""

import typer

from pepperpy.commands.alerts import files, hushing, showing

app = typer.Typer(
    help="Show alerts and their rules; silence, test, check and export them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("ls")(showing.ls)
app.command()(showing.rules)
app.command()(showing.silences)
app.command()(hushing.silence)
app.command()(hushing.unsilence)
app.command("test")(hushing.fire)
app.command()(files.check)
app.command()(files.export)
