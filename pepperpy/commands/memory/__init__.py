"""`pepperpy memory`: what is remembered, found and taken in; and running the service."""

import typer

from pepperpy.commands.memory import (
    entries,
    figures,
    ingesting,
    migrating,
    reindexing,
    running,
    searching,
)

app = typer.Typer(
    help="Remember, find and take in texts; show how full the memory is; run its service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command()(entries.put)
app.command()(entries.get)
app.command()(searching.search)
app.command()(searching.similar)
app.command()(figures.stats)
app.command()(ingesting.ingest)
app.command()(entries.export)
app.command("import")(entries.import_)
app.command()(reindexing.reindex)
app.add_typer(migrating.app, name="migrate")
app.command("run")(running.run_)
