"""`pepperpy answer`: answer what a task asks."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_bus.tasks.answers import Question


def command(
    ctx: typer.Context,
    task_id: Annotated[
        str, typer.Argument(metavar="ID", help="The task that asks.", show_default=False)
    ],
    value: Annotated[
        str | None,
        typer.Argument(
            metavar="[VALUE]", help="The answer: text or JSON. Left out, you are asked."
        ),
    ] = None,
    question: Annotated[
        int | None,
        typer.Option("--question", metavar="N", min=1, help="Only if it asks its question N now."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer what a task asks; the first answer counts."""
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run
    from pepperpy.commands.questions import shown
    from pepperpy_schemas.errors import NotFound

    if value is None and not sys.stdin.isatty():
        raise WrongUsage("nobody is here to be asked: give the answer as VALUE", ctx)

    async def ask() -> "Question | None":
        async with open_bus(ctx) as client:
            return await client.question(task_id)

    async def answer(asked: "Question", text: str) -> Any:
        given = _read(text, asked.wait.choices)
        async with open_bus(ctx) as client:
            await client.answer(task_id, given, question=question)
        return given

    asked = run(ask())
    if asked is None:
        raise NotFound(f"task {task_id} asks nothing now", hint="see who does: pepperpy questions")
    # Not while the connection is open: a person may think for long.
    given = run(answer(asked, _prompt(asked) if value is None else value))
    if as_json:
        print_json({"id": task_id, "question": asked.wait.question, "answer": given})
    else:
        typer.echo(f"{task_id}: {shown(given)}")


def _prompt(question: "Question") -> str:
    """Shows a person the question and returns what is typed, which is one of the choices."""
    from pepperpy.commands._failure import say
    from pepperpy.commands.questions import shown
    from pepperpy_bus.redaction import escape

    choices = [shown(one) for one in question.wait.choices]
    text = escape(question.wait.text) + (f" ({'/'.join(map(escape, choices))})" if choices else "")
    while True:
        given = str(typer.prompt(text, err=True)).strip()
        if not choices or given in choices:
            return given
        say(f"{given} is none of the choices")


def _read(text: str, choices: list[Any]) -> Any:
    """The answer that a text stands for: one of the choices as it is, else JSON, else the text."""
    if text in choices:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
