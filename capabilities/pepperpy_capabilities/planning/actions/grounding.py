"""Actions with parameters become actions with objects, as many as can ever be of use.

Which can is what an answer set program derives from the first state when facts are only ever
added: clingo's grounder does this, by joins over what holds. What does not change at all is not
kept as a fact.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from pepperpy_capabilities.planning.actions.lifting import Atom, Lifted, Schema, Term
from pepperpy_capabilities.planning.actions.task import Operator, Task, bits
from pepperpy_schemas.errors import NoPlan

Ground = tuple[str, tuple[str, ...]]
"""A fact: its name with its objects."""


def ground(lifted: Lifted, names: Mapping[str, str]) -> Task:
    """Returns the task with objects for parameters.

    Args:
        lifted: The task with parameters.
        names: What names in it stand for; those that are missing stand for themselves.

    Raises:
        NoPlan: Nothing that can be done ever makes a fact of the goal true.
    """
    changing = {name for one in lifted.schemas for name, _ in (*one.adds, *one.deletes)}
    found, reached = _reach(lifted, changing)
    init = {_ground(one, ()) for one in lifted.init}
    for atom in lifted.needs:
        if (fact := _ground(atom, ())) not in init and fact not in reached:
            told = _text(fact, names)
            raise NoPlan(
                f"no plan reaches the goal: nothing that can be done makes {told!r} true",
                hint=_meant(fact, lifted, names),
                context={"facts": [told]},
            )
    return _Numbering(lifted, names, changing, init).task(found)


def _meant(fact: Ground, lifted: Lifted, names: Mapping[str, str]) -> str:
    """Asks whether another predicate was meant by one that no action and no first fact has."""
    atoms = [*lifted.init, *(atom for one in lifted.schemas for atom in one.adds)]
    known = sorted({names.get(name, name) for name, _ in atoms})
    name = names.get(fact[0], fact[0])
    near = [] if name in known else get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else ""


def _text(fact: Ground, names: Mapping[str, str]) -> str:
    """Returns a fact as people write it."""
    return " ".join(names.get(one, one) for one in (fact[0], *fact[1]))


def _reach(
    lifted: Lifted, changing: set[str]
) -> tuple[list[tuple[Schema, tuple[str, ...]]], set[Ground]]:
    """Returns the actions whose conditions can come true, and the facts that can."""
    import clingo

    program = _Program(lifted, changing)
    control = clingo.Control(["--warn=none"])
    control.add("base", [], program.text())
    control.ground([("base", [])])
    actions: list[tuple[Schema, tuple[str, ...]]] = []
    facts: set[Ground] = set()
    for one in control.symbolic_atoms:
        name = one.symbol.name
        objects = tuple(program.objects[n.number] for n in one.symbol.arguments)
        if name.startswith("a"):
            actions.append((lifted.schemas[int(name[1:])], objects))
        elif name.startswith("f"):
            facts.add((program.predicates[int(name[1:])], objects))
    order = {one.name: place for place, one in enumerate(lifted.schemas)}
    actions.sort(key=lambda one: (order[one[0].name], one[1]))
    return actions, facts


class _Program:
    """The answer set program; objects and predicates have numbers in it."""

    def __init__(self, lifted: Lifted, changing: set[str]) -> None:
        self._lifted = lifted
        self._changing = changing
        self.objects = sorted({name for names in lifted.objects.values() for name in names})
        self.predicates = sorted(
            {name for name, _ in (*lifted.init, *lifted.needs, *lifted.forbids)}
            | {
                name
                for one in lifted.schemas
                for name, _ in (*one.needs, *one.forbids, *one.adds, *one.deletes)
            }
        )
        self._object = {name: number for number, name in enumerate(self.objects)}
        self._predicate = {name: number for number, name in enumerate(self.predicates)}
        self._type = {name: number for number, name in enumerate(lifted.objects)}

    def text(self) -> str:
        lines = [f"#defined f{n}/{arity}." for n, arity in sorted(self._arities())]
        lines += [f"#defined t{number}/1." for number in self._type.values()]
        for kind, names in self._lifted.objects.items():
            lines += [f"t{self._type[kind]}({self._object[name]})." for name in names]
        lines += [f"{self._atom(one)}." for one in self._lifted.init]
        for number, one in enumerate(self._lifted.schemas):
            head = _call(f"a{number}", [f"P{place}" for place in range(len(one.types))])
            lines.append(f"{head} :- {', '.join(self._body(one)) or '#true'}.")
            lines += [f"{self._atom(fact)} :- {head}." for fact in one.adds]
        return "\n".join(lines)

    def _body(self, one: Schema) -> list[str]:
        body = [self._atom(fact) for fact in one.needs]
        body += [f"t{self._type[kind]}(P{place})" for place, kind in enumerate(one.types)]
        body += [f"not {self._atom(fact)}" for fact in one.forbids if fact[0] not in self._changing]
        body += [f"{self._term(left)} = {self._term(right)}" for left, right in one.same]
        body += [f"{self._term(left)} != {self._term(right)}" for left, right in one.different]
        return body

    def _arities(self) -> set[tuple[int, int]]:
        atoms: list[Atom] = [*self._lifted.init]
        for one in self._lifted.schemas:
            atoms += [*one.needs, *one.forbids, *one.adds]
        return {(self._predicate[name], len(terms)) for name, terms in atoms}

    def _atom(self, atom: Atom) -> str:
        name, terms = atom
        return _call(f"f{self._predicate[name]}", [self._term(one) for one in terms])

    def _term(self, term: Term) -> str:
        return f"P{term}" if isinstance(term, int) else str(self._object.get(term, -1))


def _call(name: str, terms: Sequence[str]) -> str:
    return f"{name}({','.join(terms)})" if terms else name


class _Numbering:
    """Facts get numbers; one that is forbidden somewhere gets a second one for its opposite."""

    def __init__(
        self, lifted: Lifted, names: Mapping[str, str], changing: set[str], init: set[Ground]
    ) -> None:
        self._lifted = lifted
        self._names = names
        self._changing = changing
        self._init = init
        self._numbers: dict[tuple[Ground, bool], int] = {}

    def task(self, found: Iterable[tuple[Schema, tuple[str, ...]]]) -> Task:
        possible = list(found)
        # Opposites first, so that every effect knows whether there is one.
        goal = self._conditions(self._lifted.needs, self._lifted.forbids, ())
        needed = [self._conditions(one.needs, one.forbids, names) for one, names in possible]
        operators = []
        for (schema, names), needs in zip(possible, needed, strict=True):
            if needs is not None:
                operators.append(self._operator(schema, names, needs))
        init = [
            number
            for (fact, holds), number in self._numbers.items()
            if (fact in self._init) == holds
        ]
        if goal is None:
            raise NoPlan("no plan reaches the goal: it forbids what never changes")
        texts = [
            ("" if holds else "not ") + _text(fact, self._names) for fact, holds in self._numbers
        ]
        return Task(tuple(texts), bits(init), goal, tuple(operators))

    def _conditions(
        self, needs: Iterable[Atom], forbids: Iterable[Atom], names: tuple[str, ...]
    ) -> tuple[int, ...] | None:
        """The numbers of what must hold; None when it never does."""
        wanted: dict[int, None] = {}
        for atoms, holds in ((needs, True), (forbids, False)):
            for atom in atoms:
                fact = _ground(atom, names)
                if fact[0] in self._changing:
                    wanted[self._number(fact, holds=holds)] = None
                elif (fact in self._init) != holds:
                    return None
        return tuple(wanted)

    def _operator(self, one: Schema, names: tuple[str, ...], needs: tuple[int, ...]) -> Operator:
        adds = {_ground(fact, names) for fact in one.adds}
        deletes = {_ground(fact, names) for fact in one.deletes} - adds
        called = self._lifted.original(one.name, names)
        name, *arguments = (
            (self._names.get(n, n) for n in (called[0], *called[1])) if called else [""]
        )
        return Operator(
            name,
            tuple(arguments),
            one.cost(names),
            needs,
            (*self._numbers_of(adds, holds=True), *self._numbers_of(deletes, holds=False)),
            (*self._numbers_of(deletes, holds=True), *self._numbers_of(adds, holds=False)),
        )

    def _numbers_of(self, facts: Iterable[Ground], *, holds: bool) -> list[int]:
        """The numbers that somebody needs; opposites only where they are needed."""
        if holds:
            return [self._number(fact, holds=True) for fact in sorted(facts)]
        return [n for one in sorted(facts) if (n := self._numbers.get((one, False))) is not None]

    def _number(self, fact: Ground, *, holds: bool) -> int:
        return self._numbers.setdefault((fact, holds), len(self._numbers))


def _ground(atom: Atom, names: tuple[str, ...]) -> Ground:
    name, terms = atom
    return name, tuple(names[one] if isinstance(one, int) else one for one in terms)
