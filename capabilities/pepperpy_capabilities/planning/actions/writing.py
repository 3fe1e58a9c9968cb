"""The JSON form of a problem, checked and written as PDDL, so that there is one way to read both.

PDDL knows neither capitals nor most characters: names are numbered in it, and called as they are
given again when the task is made.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from pepperpy_schemas.action_plans import ActionProblem, ActionSpec
from pepperpy_schemas.errors import BadProblem

_NO_NAMES = frozenset("()=;?\"'")
_COSTS = (
    "(:functions (total-cost) - number)\n",
    "(= (total-cost) 0) ",
    "\n(:metric minimize (total-cost))",
)
"""What costs need in a domain, in its first state, and behind its goal."""


class Written(NamedTuple):
    """A problem in PDDL.

    Attributes:
        domain: Its domain.
        problem: The problem.
        names: What each name in it stands for; those of PDDL stand for themselves.
    """

    domain: str
    problem: str
    names: dict[str, str]


def as_pddl(problem: ActionProblem) -> Written:
    """Returns a problem in PDDL.

    Raises:
        BadProblem: A name, type, object or fact cannot be; ``context.field`` names it.
    """
    return _Writer(problem).written()


class _Writer:
    def __init__(self, given: ActionProblem) -> None:
        self._given = given
        self._arities: dict[str, tuple[int, str]] = {}
        self._predicates: dict[str, str] = {}
        self._types = {"object": "object"} | {
            kind: f"t{number}" for number, kind in enumerate(given.types)
        }
        self._objects = {name: f"o{number}" for number, name in enumerate(given.objects)}
        # Without a metric each action costs 1; and not every engine can read one.
        self._priced = any(one.cost != 1 for one in given.actions)
        if not given.actions:
            raise _bad("actions", "there are no actions")
        if not given.goal:
            raise _bad("goal", "there is no goal")

    def written(self) -> Written:
        given = self._given
        types = self._declared_types()
        constants = self._typed(given.objects, self._objects, "objects")
        actions = [self._action(number, one) for number, one in enumerate(given.actions)]
        init = self._facts("init", given.init, {})
        goal = self._facts("goal", given.goal, {})
        for place, fact in enumerate(init):
            if fact.startswith(("(not ", "(= ")):
                raise _bad(
                    f"init[{place}]", f"{given.init[place]!r}: only facts that hold are named here"
                )
        predicates = " ".join(
            f"({self._predicates[name]} {' '.join(f'?a{n}' for n in range(arity))})"
            for name, (arity, _) in self._arities.items()
        )
        names = {short: name for name, short in (*self._objects.items(), *self._predicates.items())}
        names |= {f"a{number}": one.name for number, one in enumerate(given.actions)}
        costs, zero, metric = _COSTS if self._priced else ("", "", "")
        return Written(
            "(define (domain given)\n"
            "(:requirements :typing :negative-preconditions :equality)\n"
            f"{_block('types', types)}{_block('constants', constants)}(:predicates {predicates})\n"
            f"{costs}{' '.join(actions)})",
            f"(define (problem given) (:domain given)\n(:init {zero}{' '.join(init)})\n"
            f"(:goal (and {' '.join(goal)})){metric})",
            names,
        )

    def _declared_types(self) -> str:
        types = self._given.types
        for kind in types:
            _check_name(kind, f"types.{kind}")
            above, seen = kind, [kind]
            while (above := types.get(above, "object")) != "object":
                seen.append(above)
                if above in seen[:-1]:
                    raise _bad(f"types.{kind}", f"types in a circle: {' → '.join(seen)}")
        return self._typed(types, self._types, "types")

    def _action(self, number: int, one: ActionSpec) -> str:
        field = f"actions[{number}]"
        _check_name(one.name, f"{field}.name")
        if not one.then:
            raise _bad(f"{field}.then", f"{one.name} changes nothing")
        places = {name: f"?p{place}" for place, name in enumerate(one.parameters)}
        parameters = self._typed(one.parameters, places, f"{field}.parameters")
        when = self._facts(f"{field}.when", one.when, places)
        then = self._facts(f"{field}.then", one.then, places)
        if any("(= " in fact for fact in then):
            raise _bad(f"{field}.then", "objects cannot be made the same")
        cost = f" (increase (total-cost) {one.cost})" if self._priced else ""
        return (
            f"(:action a{number} :parameters ({parameters}) :precondition (and {' '.join(when)})\n"
            f" :effect (and {' '.join(then)}{cost}))\n"
        )

    def _typed(self, given: Mapping[str, str], short: Mapping[str, str], field: str) -> str:
        for name, kind in given.items():
            _check_name(name, f"{field}.{name}")
            if kind not in self._types:
                raise _bad(
                    f"{field}.{name}",
                    f"there is no type {kind!r}; there are {', '.join(self._types)}",
                )
        return " ".join(f"{short[name]} - {self._types[kind]}" for name, kind in given.items())

    def _facts(self, field: str, facts: Iterable[str], places: Mapping[str, str]) -> list[str]:
        return [self._fact(f"{field}[{n}]", fact, places) for n, fact in enumerate(facts)]

    def _fact(self, field: str, fact: str, places: Mapping[str, str]) -> str:
        words = fact.split()
        negated = words[:1] == ["not"]
        words = words[1:] if negated else words
        if len(words) == 3 and words[1] == "=":
            head, terms = "=", [words[0], words[2]]
        elif words:
            head, terms = self._predicate(field, fact, words), words[1:]
        else:
            raise _bad(field, f"{fact!r} is no fact")
        plain = f"({' '.join([head, *(self._term(field, fact, one, places) for one in terms)])})"
        return f"(not {plain})" if negated else plain

    def _predicate(self, field: str, fact: str, words: list[str]) -> str:
        name, given = words[0], len(words) - 1
        _check_name(name, field)
        arity, where = self._arities.setdefault(name, (given, field))
        if arity != given:
            raise _bad(field, f"{fact!r} has {given} objects, but {arity} in {where}")
        return self._predicates.setdefault(name, f"f{len(self._predicates)}")

    def _term(self, field: str, fact: str, word: str, places: Mapping[str, str]) -> str:
        short = places.get(word) or self._objects.get(word)
        if short is None:
            near = get_close_matches(word, [*places, *self._objects], 1)
            raise _bad(
                field,
                f"{fact!r} names {word!r}, which is no object and no parameter",
                f"did you mean {near[0]}?" if near else "",
            )
        return short


def _block(name: str, content: str) -> str:
    """An empty one cannot be read."""
    return f"(:{name} {content})\n" if content else ""


def _check_name(name: str, field: str) -> None:
    if not name or name == "not" or any(one.isspace() or one in _NO_NAMES for one in name):
        raise _bad(field, f"{name!r} is no name: it is one word, without brackets and quotes")


def _bad(field: str, message: str, hint: str = "") -> BadProblem:
    return BadProblem(f"{field}: {message}", hint=hint, context={"field": field})
