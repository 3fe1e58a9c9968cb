"""`pepperpy solve`: values that meet constraints, or those that exclude each other; no broker."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepperpy.commands._solving import LIMIT

if TYPE_CHECKING:
    from pepperpy_schemas.constraints import ConstraintAnswer, ConstraintProblem

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The problem in YAML or JSON; - is stdin.")
]


def command(
    file: FileArgument,
    limit: Annotated[str | None, LIMIT] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find values that meet all constraints of a file, here, without a broker.

    Exit code 1 where there are none; the constraints that exclude each other are named then.
    """
    from pepperpy.commands._failure import FAILED, refused
    from pepperpy.commands._output import print_json
    from pepperpy.commands._solving import solved
    from pepperpy_capabilities.problem_files import read_text, telling_lines
    from pepperpy_capabilities.reasoning.constraints.reasoner import ConstraintReasoner

    with refused(as_json=as_json):
        piped = str(file) == "-"
        text, origin = (sys.stdin.read(), "stdin") if piped else (read_text(file), str(file))
        problem = _problem(text, origin)
        with telling_lines(text, origin=origin):
            answer = solved(ConstraintReasoner().reason, problem, limit)
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    if answer.status == "infeasible":
        raise typer.Exit(FAILED)


def _problem(text: str, origin: str) -> "ConstraintProblem":
    from pepperpy_capabilities.problem_files import read_problem
    from pepperpy_capabilities.reasoning.constraints.reasoner import ConstraintReasoner

    _, problem = read_problem(text, [ConstraintReasoner()], origin=origin, name="constraints")
    assert isinstance(problem, ConstraintReasoner.problem)
    return problem


def _print(answer: "ConstraintAnswer") -> None:
    """Prints one solution as a row for each variable, several as a row for each of them."""
    from pepperpy.commands._output import print_rows
    from pepperpy_bus.redaction import escape

    rows = [{name: _shown(value) for name, value in one.values.items()} for one in answer.solutions]
    if len(rows) == 1:
        rows = [{"variable": name, "value": value} for name, value in rows[0].items()]
    print_rows(rows, as_json=False)
    if rows:
        typer.echo("")
    for line in answer.explanation.splitlines():
        typer.echo(escape(line))


def _shown(value: Any) -> Any:
    from pepperpy_schemas.constraints import Span

    return f"{value.start} to {value.end}" if isinstance(value, Span) else value
