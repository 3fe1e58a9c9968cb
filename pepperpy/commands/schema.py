"""`pepperpy schema`: what travels on the bus, as schemas to read, to write out, to compare."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pepperpy.commands._output import print_rows

if TYPE_CHECKING:
    from pepperpy_schemas.compat import Change
    from pepperpy_schemas.messages import TopicSchema

app = typer.Typer(
    help="Show, export and compare the schemas of messages and topics.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]


@app.command("ls")
def list_(
    ctx: typer.Context,
    topics: Annotated[
        bool, typer.Option("--topics", help="The topics that workers announced.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the messages of the wire, or the topics."""
    if topics:
        rows = [
            {"topic": t.topic, "version": t.version, "agent": t.agent, "doc": t.doc}
            for t in _announced(ctx)
        ]
    else:
        rows = _messages()
    print_rows(rows, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME_OR_TOPIC")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON Schema.")] = False,
) -> None:
    """Show what a message or a topic's task must look like."""
    from pepperpy_schemas.exporting import message_schemas

    schema = message_schemas().get(name)
    if schema is not None:
        typer.echo(_json(schema) if as_json else _explained(name, schema))
        return
    topic = _topic(ctx, name)
    if as_json:
        typer.echo(_json({"input": topic.input, "output": topic.output}))
        return
    typer.echo(_explained(f"{topic.topic}.v{topic.version} takes", topic.input))
    typer.echo(_explained(f"{topic.topic}.v{topic.version} gives", topic.output))


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("schemas"),
) -> None:
    """Write the JSON Schema of every message, one file each, and an index."""
    from pepperpy_schemas.exporting import export as write

    for path in (written := write(directory)):
        typer.echo(path)
    typer.echo(f"wrote {len(written)} files to {directory}", err=True)


@app.command()
def asyncapi(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; stdout by default.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="The deployment's subject prefix.")] = "pp",
) -> None:
    """Write the whole wire as an AsyncAPI 3 document."""
    from pepperpy_schemas.asyncapi import asyncapi as document
    from pepperpy_schemas.exporting import pretty
    from pepperpy_schemas.tokens import check_token

    text = pretty(document(prefix=check_token(prefix, what="prefix")))
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_bytes(text)
    typer.echo(f"wrote {output}", err=True)


@app.command()
def check(
    old: Annotated[Path, typer.Argument(metavar="OLD_DIR", help="An earlier export.")],
    mode: Annotated[
        Literal["full", "input", "output"],
        typer.Option(help="full: both; input: we read theirs; output: they read ours."),
    ] = "full",
    as_json: JsonOption = False,
) -> None:
    """Compare this version's messages with an earlier export; exit 1 when one breaks."""
    from pepperpy_schemas import compat
    from pepperpy_schemas.exporting import message_schemas

    changes = compat.compare_messages(compat.read_directory(old), message_schemas(), mode=mode)
    print_rows([_change_row(change) for change in changes], as_json=as_json)
    breaking = sum(change.breaking for change in changes)
    if breaking:
        typer.echo(f"{breaking} incompatible changes since {old}", err=True)
        raise typer.Exit(1)
    typer.echo(f"ok: {len(changes)} compatible changes since {old}", err=True)


def _announced(ctx: typer.Context) -> "list[TopicSchema]":
    """The one place that asks the bus what its workers announced."""
    from pepperpy.commands._session import open_bus, run

    async def read() -> "list[TopicSchema]":
        async with open_bus(ctx) as client:
            return await client.schemas.all()

    return run(read())


def _topic(ctx: typer.Context, name: str) -> "TopicSchema":
    from pepperpy_schemas.errors import NotFound, PepperError

    hint = (
        "list the messages with: pepperpy schema ls, the topics with: pepperpy schema ls --topics"
    )
    try:
        known = {topic.topic: topic for topic in _announced(ctx)}
    except PepperError as error:
        fact = f"no message is named {name!r:.80}, and the topics cannot be asked: {error.message}"
        raise NotFound(fact, hint=error.hint or hint) from error
    if name not in known:
        raise NotFound(f"no message or topic is named {name!r:.80}", hint=hint)
    return known[name]


def _messages() -> list[dict[str, Any]]:
    from pepperpy_schemas.catalog.replies import MESSAGES

    return [
        {"name": s.name, "subject": s.template, "stream": s.stream, "doc": s.doc} for s in MESSAGES
    ]


def _change_row(change: "Change") -> dict[str, Any]:
    return {
        "path": change.path,
        "kind": change.kind,
        "breaking": change.breaking,
        "message": change.message,
    }


def _explained(title: str, schema: dict[str, Any]) -> str:
    """A schema for people: what it is, its fields, an example."""
    from pepperpy_schemas import examples

    lines = [f"{title}: {schema.get('description', '')}".rstrip(": ")]
    for name, field in schema.get("properties", {}).items():
        need = "required" if name in schema.get("required", []) else "optional"
        doc = f"  {field['description']}" if "description" in field else ""
        lines.append(f"  {name}  {_type_name(field)}, {need}{doc}")
    bodies = [json.dumps(one, ensure_ascii=False) for one in examples.every(schema, full=True)]
    return "\n".join([*lines, *(f"  example: {body}" for body in bodies)])


def _type_name(field: dict[str, Any]) -> str:
    if "const" in field or "enum" in field:
        return " or ".join(json.dumps(one) for one in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type_name(one) for one in field["anyOf"])
    items = f" of {_type_name(field['items'])}" if "items" in field else ""
    return f"{field.get('type', 'any JSON')}{items}"


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
