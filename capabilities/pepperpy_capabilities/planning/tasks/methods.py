"""Declared methods, read and checked as far as they can be without a goal."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pepperpy_bus.graphs.plan import find_cycle
from pepperpy_bus.graphs.references import INDEX, INPUT, ITEM, RESERVED, read_template
from pepperpy_bus.where import Predicate, compile_where, names_in
from pepperpy_capabilities.planning.tasks.binding import Bound, known, nodes_in
from pepperpy_schemas.errors import BadGraph, BadProblem, PepperError
from pepperpy_schemas.task_plans import Method, Step


class Unknown(Exception):
    """A condition asks for what is known only when a task has ended."""


class _Later(Mapping[str, Any]):
    """Stands for what is not known yet, and refuses to be looked at."""

    def _refuse(self, *_: object) -> Any:
        raise Unknown

    __getitem__ = __iter__ = __len__ = __bool__ = __eq__ = __hash__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = get = _refuse


class Way(msgspec.Struct, frozen=True):
    """A method that can be used.

    Attributes:
        method: As it is declared.
        steps: Its steps, each after those that it needs.
        needs: For each step those that come before it.
        last: The steps that no other one comes after.
        condition: Whether it fits what its task is given, or None.
        where: Its place in the problem, for errors.
    """

    method: Method
    steps: list[Step]
    needs: dict[str, list[str]]
    last: list[str]
    condition: Predicate | None
    where: str

    def fits(self, given: Bound) -> bool:
        """Returns whether the method's condition holds.

        Raises:
            BadProblem: It asks for what is known only when a task has ended.
        """
        if self.condition is None:
            return True
        try:
            return self.condition({INPUT: _looked_at(given)})
        except Unknown:
            where = f"{self.where}.when"
            waits = ", ".join(nodes_in(given))
            raise BadProblem(
                f"{where}: what {self.method.task} is given is known only when {waits} has ended, "
                f"and the condition {self.method.when!r:.80} asks for it",
                hint="choose by what is known when it is planned, or let a task choose",
                context={"field": where},
            ) from None


Methods = Mapping[str, Sequence[Way]]
"""The methods of each task, in the order in which they are tried."""


def read_methods(methods: Sequence[Method]) -> Methods:
    """Returns the methods by the task that they do.

    Raises:
        BadProblem: One cannot be read; ``context.field`` is the place. Steps of a method that wait
            for each other are named in ``context.cycle``.
    """
    found: dict[str, list[Way]] = {}
    for method in methods:
        ways = found.setdefault(method.task, [])
        where = f"methods.{method.name}"
        if any(one.method.name == method.name for one in ways):
            raise _bad(where, f"there are two methods {method.name} of {method.task}")
        ways.append(_read(method, where))
    return found


def _read(method: Method, where: str) -> Way:
    steps = {one.name: one for one in method.steps}
    if len(steps) < len(method.steps):
        raise _bad(where, "two of its steps have the same name")
    if reserved := RESERVED & set(steps):
        raise _bad(where, f"no step is named {', '.join(sorted(reserved))}: references begin so")
    needs = _needs(method, steps, where)
    if cycle := find_cycle(needs):
        raise BadProblem(
            f"{where}: its steps wait for each other in a cycle: {' -> '.join(cycle)}",
            hint="take one of these dependencies out: an `after`, or a reference",
            context={"field": where, "cycle": cycle},
        )
    condition = None
    if method.when:
        condition = _condition(method.when, f"{where}.when")
    needed = {one for several in needs.values() for one in several}
    last = [name for name in steps if name not in needed]
    return Way(method, [steps[name] for name in _order(needs)], needs, last, condition, where)


def _needs(method: Method, steps: Mapping[str, Step], where: str) -> dict[str, list[str]]:
    needs: dict[str, list[str]] = {}
    before = ""
    for name, step in steps.items():
        here = f"{where}.steps.{name}"
        own = [before] if method.ordered and before else []
        for one in step.after:
            if one not in steps:
                raise _bad(f"{here}.after", f"there is no step {one!r:.80}")
        own += step.after
        own += [one for one in _roots(step, here) if one in steps]
        needs[name] = list(dict.fromkeys(own))
        before = name
    return needs


def _roots(step: Step, where: str) -> list[str]:
    roots: list[str] = []
    for field, value in (("input", step.input), ("each", step.each)):
        try:
            roots += [one.root for one in read_template(value).references]
        except BadGraph as error:
            raise _bad(f"{where}.{field}", str(error), error.hint) from None
    if step.each is None and {ITEM, INDEX} & set(roots):
        raise _bad(f"{where}.input", "item and index are known only where there is a list: each")
    return [one for one in roots if one not in RESERVED]


def _condition(text: str, where: str) -> Predicate:
    try:
        if strange := names_in(text) - {INPUT}:
            raise _bad(where, f"{', '.join(sorted(strange))} is not known: there is input")
        return compile_where(text)
    except BadProblem:
        raise
    except PepperError as error:
        raise _bad(where, str(error), error.hint) from None


def _order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    ordered: dict[str, None] = {}
    waiting = dict(needs)
    while waiting:
        ready = [name for name, own in waiting.items() if all(one in ordered for one in own)]
        for name in ready:
            ordered[name] = None
            del waiting[name]
    return list(ordered)


def _looked_at(given: Bound) -> Any:
    """A value as conditions see it: what is not known yet refuses to be looked at."""
    match given:
        case {"$ref": _, **more} if not more:
            return _Later()
        case dict():
            return {key: _looked_at(one) for key, one in given.items()}
        case list():
            return [_looked_at(one) for one in given]
        case str() if nodes_in(given):
            return _Later()
        case _:
            return known(given)


def _bad(where: str, fact: str, hint: str = "") -> BadProblem:
    return BadProblem(f"{where}: {fact}", hint=hint, context={"field": where})
