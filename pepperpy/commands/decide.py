"""`pepperpy decide`: which option, why this one, and how sure that is; without a broker."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepperpy.commands._solving import LIMIT

if TYPE_CHECKING:
    from pepperpy_schemas.decisions import Decision, DecisionProblem

_COLUMNS = 8  # most criteria in the table; all are in --json

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Options and criteria in YAML, JSON or CSV; - is stdin."),
]


def command(
    file: FileArgument,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help="weighted-sum, topsis or pareto.")
    ] = None,
    normalization: Annotated[
        str | None, typer.Option(metavar="NAME", help="min-max, max, sum, vector or none.")
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="Of unknown values: refuse, worst or leave-out."),
    ] = None,
    limit: Annotated[str | None, LIMIT] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the Pareto front as well: an .svg or a .png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank options by weighted criteria, here, without a broker, and say why that is so.

    A table has a row for each option and a column for each criterion; rows named direction, weight
    and unit come before the options.
    """
    from pepperpy.commands._failure import refused
    from pepperpy.commands._output import print_json
    from pepperpy.commands._solving import solved
    from pepperpy_capabilities.pictures.picture import picture_format
    from pepperpy_capabilities.problem_files import read_text, telling_lines
    from pepperpy_capabilities.reasoning.deciding.reasoner import DecisionReasoner
    from pepperpy_capabilities.reasoning.deciding.tables import read_table

    chosen = {"method": method, "normalization": normalization, "missing": missing}
    if picture is not None:
        picture_format(picture)
    with refused(as_json=as_json):
        piped = str(file) == "-"
        text, origin = (sys.stdin.read(), "stdin") if piped else (read_text(file), str(file))
        table = file.suffix.lower() == ".csv" or (piped and _is_table(text))
        read = read_table(text, origin=origin) if table else _problem(text, origin)
        problem = _with(read, {k: v for k, v in chosen.items() if v is not None})
        with nullcontext() if table else telling_lines(text, origin=origin):
            answer = solved(DecisionReasoner().reason, problem, limit)
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    if picture is not None:  # last: without matplotlib there is still the answer
        from pepperpy_capabilities.reasoning.deciding.picture import draw_decision

        draw_decision(problem, answer, picture)


def _problem(text: str, origin: str) -> "DecisionProblem":
    from pepperpy_capabilities.problem_files import read_problem
    from pepperpy_capabilities.reasoning.deciding.reasoner import DecisionReasoner

    _, problem = read_problem(text, [DecisionReasoner()], origin=origin, name="decision")
    assert isinstance(problem, DecisionReasoner.problem)
    return problem


def _is_table(text: str) -> bool:
    """Whether what comes through a pipe is CSV: its first line has cells and no key."""
    first = text.partition("\n")[0]
    return not first.startswith(("{", "#")) and ":" not in first and any(c in first for c in ",;")


def _with(problem: "DecisionProblem", chosen: dict[str, str]) -> "DecisionProblem":
    """The problem with what the options say."""
    import msgspec

    from pepperpy_schemas.codec import convert
    from pepperpy_schemas.decisions import DecisionProblem
    from pepperpy_schemas.errors import BadPayload

    try:
        return convert({**msgspec.to_builtins(problem), **chosen}, DecisionProblem)
    except BadPayload as error:
        option = str(error.context.get("path", "$")).removeprefix("$.")
        raise typer.BadParameter(error.message, param_hint=f"--{option}") from None


def _print(answer: "Decision") -> None:
    from pepperpy.commands._output import print_rows
    from pepperpy_bus.redaction import escape

    print_rows([_row(one) for one in answer.ranking], as_json=False)
    typer.echo("")
    for line in answer.explanation.splitlines():
        typer.echo(escape(line))


def _row(one: Any) -> dict[str, Any]:
    row = {"rank": one.rank, "option": one.option, "front": one.front}
    if one.score is not None:
        parts = list(one.contributions.items())[:_COLUMNS]
        row |= {"score": f"{one.score:.4f}", **{name: f"{part:+.3f}" for name, part in parts}}
    return row
