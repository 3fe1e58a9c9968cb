"""PDDL read by unified-planning; what is wrong in it, with its line."""

import re
import warnings
from typing import TYPE_CHECKING

from pepperpy_schemas.errors import BadProblem

if TYPE_CHECKING:
    from unified_planning.model import Problem as Read

_LINE = re.compile(r"line:? (\d+)")


def read_pddl(domain: str, problem: str) -> "Read":
    """Returns a problem as unified-planning has it.

    Raises:
        BadProblem: The text cannot be read; ``context.field`` says which, ``context.line`` where.
    """
    for field, text in (("domain", domain), ("problem", problem)):
        _check_brackets(field, text)
    try:
        return _parsed(domain, problem)
    except MemoryError:
        raise
    except Exception as error:
        # Beside its own errors, its reader ends as whatever it runs into.
        field = "problem" if _reads(domain) else "domain"
        raise _told(field, error) from None


def _parsed(domain: str, problem: str | None) -> "Read":
    from unified_planning import environment
    from unified_planning.io import PDDLReader

    # A new one: it keeps every expression that it has seen, and its library takes no other.
    environment.GLOBAL_ENVIRONMENT = environment.Environment()
    environment.GLOBAL_ENVIRONMENT.error_used_name = False  # types and predicates may share theirs
    with warnings.catch_warnings(action="ignore"):
        return PDDLReader().parse_problem_string(domain, problem)


def _reads(domain: str) -> bool:
    """Returns whether a domain can be read: if so, what is wrong is in the problem."""
    try:
        _parsed(domain, None)
    except MemoryError:
        raise
    except Exception:
        return False
    return True


def _told(field: str, error: Exception) -> BadProblem:
    from pyparsing import ParseBaseException

    if isinstance(error, RecursionError):
        return _bad(field, "it is nested too deep", None)
    if isinstance(error, ParseBaseException):
        return _bad(field, f"line {error.lineno}: {error.msg}", error.lineno)
    text = " ".join(str(error).split()) or type(error).__name__
    line = _LINE.search(text)
    return _bad(field, f"it cannot be read: {text}", int(line[1]) if line else None)


def _check_brackets(field: str, text: str) -> None:
    """Finds the bracket that is open, or closes nothing: the parser only names the file's end."""
    opened: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        for character in line.split(";", 1)[0]:
            if character == "(":
                opened.append(number)
            elif character == ")" and not opened:
                raise _bad(field, f"line {number}: ) closes nothing", number)
            elif character == ")":
                opened.pop()
    if opened:
        raise _bad(field, f"line {opened[-1]}: ( is never closed", opened[-1])


def _bad(field: str, message: str, line: int | None) -> BadProblem:
    context: dict[str, str | int] = {"field": field}
    if line is not None:
        context["line"] = line
    return BadProblem(f"{field}: {message}", context=context)
