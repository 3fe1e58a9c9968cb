"""`pepperpy config`: what is set, from where, and whether it is right."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pepperpy.commands._session import load_settings, options_of

if TYPE_CHECKING:
    from pepperpy_bus.config import Loaded, Row

app = typer.Typer(
    help="Show, check and migrate the settings.", no_args_is_help=True, rich_markup_mode=None
)

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="By default the file in force.")
]


@app.command()
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every setting in force; secrets stay hidden."""
    loaded = _load(ctx)
    _warn(loaded.warnings)
    if as_json:
        typer.echo(json.dumps(_by_name(loaded.rows, origin=origin), indent=2))
    else:
        typer.echo("\n".join(_table(loaded.rows, origin=origin)))


@app.command()
def check(ctx: typer.Context, file: FileArgument = None) -> None:
    """Check a file, or all that is in force, and name what is wrong."""
    loaded = _load(ctx, file)
    _warn(loaded.warnings)
    set_ = sum(row.origin != "default" for row in loaded.rows)
    place = loaded.path or "no file, defaults and environment"
    typer.echo(f"ok: {place} ({set_} of {len(loaded.rows)} settings set)", err=True)


@app.command()
def migrate(ctx: typer.Context, file: FileArgument = None) -> None:
    """Rewrite a file in the current version; the old one stays beside it as `.bak`."""
    from pepperpy_bus.config.rewriting import migrate_file

    done = migrate_file(file or _path_in_force(ctx))
    if done.backup is None:
        typer.echo(f"nothing to do: {done.path} has version {done.version}", err=True)
        return
    typer.echo(f"migrated {done.path} from version {done.version}; old: {done.backup}", err=True)


@app.command()
def path(ctx: typer.Context) -> None:
    """Print the path of the file in force."""
    typer.echo(_path_in_force(ctx))


def _load(ctx: typer.Context, file: Path | None = None) -> "Loaded":
    return load_settings(ctx, file)


def _path_in_force(ctx: typer.Context) -> Path:
    from pepperpy_bus.config import locate
    from pepperpy_schemas.errors import NotFound

    found = locate(config=options_of(ctx).config)
    if found is None:
        raise NotFound(
            "no configuration file is in force",
            hint="write pepperpy.toml here, or name a file by --config",
        )
    return found


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def _by_name(rows: "Iterable[Row]", *, origin: bool) -> dict[str, object]:
    if origin:
        return {row.name: {"value": row.value, "origin": row.origin} for row in rows}
    return {row.name: row.value for row in rows}


def _table(rows: "Iterable[Row]", *, origin: bool) -> list[str]:
    from pepperpy_bus.redaction import escape

    cells = [(row.name, "" if row.value is None else escape(str(row.value)), row) for row in rows]
    wide = max(len(name) for name, _, _ in cells)
    wider = max(len(value) for _, value, _ in cells)
    return [
        f"{name:<{wide}}  {value:<{wider}}  {escape(row.origin)}"
        if origin
        else f"{name:<{wide}}  {value}".rstrip()
        for name, value, row in cells
    ]
