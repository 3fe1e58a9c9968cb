"""`pepperpy reason`: what follows from a file, and why."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepperpy.commands._solving import LIMIT

if TYPE_CHECKING:
    from pepperpy_schemas.problems import Answer, Problem

_WHOSE = (
    "ask rules with --query; or say who reasons with --reasoner: {names}; "
    "what is to be planned: pepperpy plan"
)

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="The problem, in YAML or JSON; with --query rules alone. - is stdin."
    ),
]


def command(
    ctx: typer.Context,
    file: FileArgument,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="The question about a file of rules.")
    ] = None,
    reasoner: Annotated[
        str, typer.Option(metavar="NAME", help="Who reasons, where the keys do not say it.")
    ] = "",
    limit: Annotated[str | None, LIMIT] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the first proof as well: an .svg or a .png."),
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the first proof as a Mermaid diagram.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer what a file asks, and say why that is so.

    The keys of the file say who answers: rules with a query, patterns to find in records, a
    decision, constraints, or what reasoners of installed packages answer: all of it here, without
    a broker. What a model is to reason about, such as premises with a question, is submitted to
    the reasoner at work on the bus.
    """
    from pepperpy.commands._failure import refused
    from pepperpy.commands._output import print_json
    from pepperpy.commands._solving import asked, solved
    from pepperpy_capabilities.offering import REASONERS, every
    from pepperpy_capabilities.pictures.picture import picture_format
    from pepperpy_capabilities.problem_files import telling_files, telling_lines
    from pepperpy_capabilities.reasoning.built_in import BUILT_IN
    from pepperpy_schemas.rules import Deduced, RulesProblem

    if picture is not None:
        picture_format(picture)
    origin = "stdin" if str(file) == "-" else str(file)
    with refused(as_json=as_json):
        text = _text(ctx, file, query)
        chosen, problem = _read(text, origin, query, reasoner, every(REASONERS, BUILT_IN))
        for option, given in (("--picture", picture), ("--mermaid", mermaid)):
            if given and not isinstance(problem, RulesProblem):
                raise typer.BadParameter("only rules have proofs", param_hint=option)
        asks = getattr(chosen, "asks_models", False)
        alone = query is not None
        with telling_files({"rules": origin}) if alone else telling_lines(text, origin=origin):
            if asks:
                answer = asked(ctx, REASONERS.topic(chosen.name), problem, chosen.answer, limit)
            else:
                answer = solved(chosen.reason, problem, limit)
    if as_json and not mermaid:
        print_json(answer)
    elif not mermaid:
        _print(answer)
    if isinstance(answer, Deduced) and (picture is not None or mermaid):
        _draw(answer, picture, mermaid=mermaid)


def _text(ctx: typer.Context, file: Path, query: str | None) -> str:
    from pepperpy.commands._failure import WrongUsage
    from pepperpy_capabilities.problem_files import read_text

    if query is None and file.suffix.lower() == ".lp":
        raise WrongUsage(f"--query is missing: {file} has rules, and no question", ctx)
    return sys.stdin.read() if str(file) == "-" else read_text(file)


def _read(
    text: str, origin: str, query: str | None, reasoner: str, reasoners: list[Any]
) -> "tuple[Any, Problem]":
    from pepperpy_capabilities.problem_files import read_problem
    from pepperpy_schemas.rules import RulesProblem

    if query is None:
        return read_problem(text, reasoners, origin=origin, name=reasoner, hint=_WHOSE)
    rules = next(one for one in reasoners if one.problem is RulesProblem)
    return rules, RulesProblem(rules=text, query=query)


def _draw(answer: Any, picture: Path | None, *, mermaid: bool) -> None:
    from pepperpy_capabilities.reasoning.rules.showing import mermaid as diagram
    from pepperpy_schemas.errors import NotFound

    found = next((one for one in answer.answers if one.proof), None)
    if found is None:
        raise NotFound("there is no answer, so there is no proof to draw")
    if picture is not None:
        from pepperpy_capabilities.reasoning.rules.picture import draw_proof

        draw_proof(found.proof, picture)
    if mermaid:
        typer.echo(diagram(found))


def _print(answer: "Answer") -> None:
    """Prints answers as a table, where they are one, and why they are these."""
    from pepperpy.commands._output import print_rows
    from pepperpy_bus.redaction import escape
    from pepperpy_schemas.rules import Deduced

    if isinstance(answer, Deduced) and answer.answers and answer.answers[0].values:
        print_rows([one.values for one in answer.answers], as_json=False)
    for line in answer.explanation.splitlines():
        typer.echo(escape(line))
