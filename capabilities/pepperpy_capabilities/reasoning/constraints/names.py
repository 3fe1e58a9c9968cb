"""What constraints are called, and how they are shown to people."""

from pepperpy_schemas import constraints as said
from pepperpy_schemas.constraints import ConstraintProblem
from pepperpy_schemas.errors import BadProblem

_SHOWN = 100  # characters of a constraint


def names_of(problem: ConstraintProblem) -> list[str]:
    """Returns the names of all constraints; one without a name has its place as one.

    Raises:
        BadProblem: Two have the same name.
    """
    names: dict[str, int] = {}
    for n, constraint in enumerate(problem.constraints):
        name = constraint.name or f"constraints[{n}]"
        if name in names:
            raise BadProblem(
                f"constraints[{names[name]}] and constraints[{n}] are both named {name}",
                context={"field": f"constraints[{n}].name"},
            )
        names[name] = n
    return list(names)


def described(constraint: said.Constraint) -> str:
    """Returns what a constraint says, shortened where it is long."""
    text = _text(constraint)
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    reified = getattr(constraint, "reified", "")
    return f"{reified} exactly if {short}" if reified else short


def _text(constraint: said.Constraint) -> str:  # noqa: PLR0911 - a line for each kind
    match constraint:
        case said.Linear():
            return constraint.holds
        case said.AllDifferent():
            return f"different: {_listed(constraint.of)}"
        case said.Element():
            return f"[{_listed(constraint.of)}][{constraint.index}] == {constraint.equals}"
        case said.Table():
            kind = "none" if constraint.forbidden else "one"
            return f"({_listed(constraint.of)}) is {kind} of {len(constraint.rows)} rows"
        case said.Implication():
            return f"{' and '.join(constraint.when)} implies {' and '.join(constraint.then)}"
        case said.Or():
            return " or ".join(constraint.any)
        case said.And():
            return " and ".join(constraint.all)
        case said.NoOverlap():
            return f"no overlap: {_listed(constraint.intervals)}"
        case said.Cumulative():
            return f"at most {constraint.capacity} at a time: {_listed(constraint.intervals)}"
        case said.Circuit():
            return f"circuit: {_listed(constraint.next)}"


def _listed(values: list[int | str] | list[str]) -> str:
    return ", ".join(map(str, values[:20])) + (", …" if len(values) > 20 else "")
