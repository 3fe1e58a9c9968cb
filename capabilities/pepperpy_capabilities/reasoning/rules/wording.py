"""Values, atoms and rules as text in clingo's language."""

import json
import re

from pepperpy_schemas.errors import BadRule
from pepperpy_schemas.rules import Atom, Calculated, Comparison, Conditions, Rule, Term, Value

_VARIABLE = re.compile(r"\?([A-Za-z])([A-Za-z0-9_]*)")
_WORD = re.compile(r"[a-z][A-Za-z0-9_]*")
_OPERATORS = {"/": "/", "%": "\\"}
_COMPARISONS = {"==": "="}


def worded_rule(rule: Rule) -> str:
    """Returns a rule as text.

    Raises:
        BadRule: A variable has no name that a variable can have.
    """
    head = "" if rule.then is None else worded_atom(rule.then)
    body = worded_conditions(rule)
    return f"{head} :- {body}." if body or not head else f"{head}."


def worded_conditions(conditions: Conditions) -> str:
    """Returns conditions as text.

    Raises:
        BadRule: A variable has no name that a variable can have.
    """
    return ", ".join(
        [
            *(worded_atom(one) for one in conditions.when),
            *(f"not {worded_atom(one)}" for one in conditions.unless),
            *(_worded_comparison(one) for one in conditions.where),
        ]
    )


def worded_atom(atom: Atom) -> str:
    """Returns an atom as text.

    Raises:
        BadRule: A variable has no name that a variable can have.
    """
    return f"{atom.name}({', '.join(map(_worded, atom.args))})" if atom.args else atom.name


def variables_of(conditions: Conditions) -> dict[str, str]:
    """Returns the names of variables in the text with those that they were given."""
    terms: list[Term] = [
        *(term for atom in (*conditions.when, *conditions.unless) for term in atom.args),
        *(term for one in conditions.where for term in (one.left, one.right)),
    ]
    found: dict[str, str] = {}
    while terms:
        term = terms.pop(0)
        if isinstance(term, Calculated):
            terms += [term.left, term.right]
        elif isinstance(term, str) and (match := _VARIABLE.fullmatch(term)):
            found.setdefault(match[1].upper() + match[2], term[1:])
    return found


def worded_value(value: Value) -> str:
    """Returns a value as text that clingo reads as the same value.

    Raises:
        BadRule: It has a character that it cannot have.
    """
    if isinstance(value, int):
        return str(value)
    if "\0" in value:
        raise BadRule(f"a text has the character 0: {value!r:.80}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def shown_value(value: Value) -> str:
    """Returns a value as people read it: a plain word without its quotes."""
    if isinstance(value, int) or _WORD.fullmatch(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _worded(term: Term) -> str:
    if isinstance(term, Calculated):
        operator = _OPERATORS.get(term.calc, term.calc)
        return f"({_worded(term.left)} {operator} {_worded(term.right)})"
    if isinstance(term, str) and term.startswith("?"):
        if term.startswith("??"):
            return worded_value(term[1:])
        match = _VARIABLE.fullmatch(term)
        if match is None:
            raise BadRule(
                f"{term!r:.80} is no variable",
                hint="a variable is ? with a name: ?x; a text that begins with ? is written ??",
            )
        return match[1].upper() + match[2]
    return worded_value(term)


def _worded_comparison(one: Comparison) -> str:
    compare = _COMPARISONS.get(one.compare, one.compare)
    return f"{_worded(one.left)} {compare} {_worded(one.right)}"
