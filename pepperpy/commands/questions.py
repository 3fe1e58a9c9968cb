"""`pepperpy questions`: what tasks ask people now."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.tasks.answers import Question


def command(
    ctx: typer.Context,
    topic: Annotated[str, typer.Option(help="Those of tasks of this topic.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what tasks ask people now, the oldest first; answer with: pepperpy answer ID."""
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import open_bus, run

    async def read() -> "list[Question]":
        async with open_bus(ctx) as client:
            return await client.questions(topic=topic)

    found = run(read())
    if as_json:
        print_json([as_document(one) for one in found])
    elif found:
        print_rows([_row(one) for one in found], as_json=False)
    else:
        typer.echo("nobody is asked anything", err=True)


def as_document(one: "Question") -> dict[str, Any]:
    """Returns a question as the JSON that programs read."""
    import msgspec

    wait = one.wait
    document: dict[str, Any] = {
        "id": one.task_id,
        "topic": one.topic,
        "question": wait.question,
        "text": wait.text,
        "choices": wait.choices,
        "asked": wait.ts.isoformat(),
        "answered": one.answered,
    }
    if wait.deadline is not None:
        document["deadline"] = wait.deadline.isoformat()
    if wait.has_default:
        document["default"] = msgspec.json.decode(wait.default)
    return document


def _row(one: "Question") -> dict[str, Any]:
    wait = one.wait
    return {
        "id": one.task_id,
        "topic": one.topic,
        "n": wait.question,
        "asked": wait.ts.astimezone().isoformat(timespec="seconds"),
        "until": wait.deadline and wait.deadline.astimezone().isoformat(timespec="seconds"),
        "answered": one.answered,
        "choices": [shown(choice) for choice in wait.choices],
        "question": wait.text,
    }


def shown(value: Any) -> str:
    """Returns an answer as it is typed: text as it is, anything else as JSON."""
    from pepperpy.commands._output import json_text

    return value if isinstance(value, str) else json_text(value)
