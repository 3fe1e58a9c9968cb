"""`pepperpy templates`: list, show and render prompt templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pepperpy_agents.templates import Template, Templates, Variable

app = typer.Typer(help="List, show and render prompt templates.", rich_markup_mode=None)

FOLDER = Path("templates")
"""Where templates lie when nobody says where."""

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="NAME, NAME@RANGE, or a template's file.")
]
FoldersOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder",
        "-f",
        metavar="DIR",
        help="Look there, the first before the others; templates/ here by default.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def ls(folder: FoldersOption = None, as_json: JsonOption = False) -> None:
    """List the templates of the folders, and those of the package.

    A file that is no template is told on stderr, with its line, and makes the exit code 1.
    """
    from pepperpy.commands._failure import say
    from pepperpy.commands._output import print_rows
    from pepperpy_agents.templates import Problem

    found = _templates(folder).all()
    rows = [
        {
            "name": one.name,
            "version": one.version,
            "format": one.format,
            "variables": list(one.variables),
            "description": one.description,
            "file": one.origin,
        }
        for one in found
        if not isinstance(one, Problem)
    ]
    print_rows(rows, as_json=as_json)
    problems = [one.error for one in found if isinstance(one, Problem)]
    for error in problems:
        say(f"error: {error}")
    if problems:
        raise typer.Exit(1)


@app.command("show")
def show(name: NameArgument, folder: FoldersOption = None, as_json: JsonOption = False) -> None:
    """Show what a template says of itself, and its text."""
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy_bus.redaction import escape

    one = _template(name, folder)
    one.check()
    rows = _rows(one.variables)
    about = {"name": one.name, "version": one.version, "format": one.format, "file": one.origin}
    if as_json:
        print_json(
            {**about, "description": one.description, "variables": rows, "text": one.text.body}
        )
        return
    typer.echo(f"{one.name} {one.version} · {one.format} · {escape(one.origin)}")
    if one.description:
        typer.echo(escape(one.description))
    print_rows(rows, as_json=False)
    typer.echo("\n" + "\n".join(map(escape, one.text.body.splitlines())))


@app.command("render")
def render(
    name: NameArgument,
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD]...", help="name=text or name:=JSON, as for publish."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="JSON|@FILE", help="All variables at once.")
    ] = None,
    fmt: Annotated[
        Literal["text", "markdown", "json", "chat"] | None,
        typer.Option("--format", help="What to make; by default what the template says."),
    ] = None,
    folder: FoldersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a template with values in it; messages of a chat are a JSON array."""
    import msgspec

    from pepperpy.commands._body import body_of
    from pepperpy.commands._output import print_json

    one = _template(name, folder)
    values = msgspec.json.decode(body_of(fields or [], data)) or {}
    if not isinstance(values, dict):
        raise typer.BadParameter("the variables are an object", param_hint="--data")
    rendered = one.render(fmt=fmt, **values)
    if as_json:
        made = {"name": one.name, "version": one.version, "format": fmt or one.format}
        print_json({**made, "rendered": rendered})
    elif isinstance(rendered, str):
        typer.echo(rendered)
    else:
        print_json(rendered)


def _templates(folders: list[Path] | None) -> "Templates":
    from pepperpy_agents.templates import Templates

    return Templates(*(folders or ([FOLDER] if FOLDER.is_dir() else [])))


def _template(name: str, folders: list[Path] | None) -> "Template":
    from pepperpy_agents.templates import load_template

    path = Path(name)
    return load_template(path) if path.is_file() else _templates(folders).get(name)


def _rows(variables: "Mapping[str, Variable]") -> list[dict[str, Any]]:
    import msgspec

    return [
        {
            "variable": name,
            "type": one.shown_type,
            "required": one.must_be_given,
            "default": None if one.default is msgspec.UNSET else one.default,
            "choices": one.choices,
            "description": one.description,
        }
        for name, one in variables.items()
    ]
