"""A goal taken apart by methods, until only tasks of topics are left.

It searches in depth: the methods of a task in their order, the next one where a part of the first
has none that fits (HTN planning without a state of the world: conditions look at what a task is
given). Every choice has its place, so that one of them can be taken back later.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from pepperpy_bus.graphs.references import INDEX, INPUT, ITEM, REF, literal
from pepperpy_capabilities.planning.tasks.binding import Bound, bind, nodes_in, weigh
from pepperpy_capabilities.planning.tasks.draft import Choice, Draft, Drafted, Tried
from pepperpy_capabilities.planning.tasks.methods import Methods, Way
from pepperpy_schemas.errors import BadProblem, NoPlan, TooBig
from pepperpy_schemas.task_plans import Step

MAX_TASKS: Final = 1000
"""Tasks of a plan."""
MAX_LEVELS: Final = 40
"""Methods within methods."""
MAX_TRIES: Final = 20_000
"""Methods that are looked at for one plan."""
_MAX_NAME: Final = 20  # of a node, without its number: conditions of many nodes stay short


class _Dead(Exception):
    """No method of a task leads on; the reasons, each a line."""

    def __init__(self, task: str, reasons: list[str], cycle: list[str] | None = None) -> None:
        super().__init__(task)
        self.task, self.reasons, self.cycle = task, reasons, cycle


class _Part(msgspec.Struct, frozen=True):
    """A task of a plan, to be taken apart if it has methods.

    Attributes:
        task: The task, or a topic.
        given: What it is given.
        at: Its place: the steps that lead to it.
        name: Its step's name.
        where: Its step's place in the problem, for errors.
        chosen: The methods that led to it.
        after: The nodes that come before all of it.
    """

    task: str
    given: Bound
    at: str
    name: str
    where: str
    chosen: list[Choice]
    after: Sequence[str]


class _Done(msgspec.Struct, frozen=True):
    """What became of a task of a plan.

    Attributes:
        result: What it returns.
        last: The nodes after which it has ended.
    """

    result: Bound
    last: list[str]


def decompose(
    goal: str,
    given: Any,
    methods: Methods,
    *,
    tried: Tried | None = None,
    names: Mapping[str, str] | None = None,
    kept: Mapping[str, Bound] | None = None,
) -> Draft:
    """Returns the tasks that reach a goal.

    Args:
        goal: The task that is the goal.
        given: What it is given, taken literally.
        methods: The methods.
        tried: What was tried before and failed.
        names: The names of nodes that were given before, by place.
        kept: Nodes of before that steps may refer to.

    Raises:
        NoPlan: No method is left that fits; ``context.reasons`` says why of each.
        BadProblem: Something refers to what is not there, methods call each other without end.
        TooBig: The plan, or what a task is given, is larger than it may be.
    """
    search = _Search(methods, tried or {}, names or {}, kept or {})
    try:
        done = search.take(_Part(goal, literal(given), goal, goal, "goal", [], []))
    except _Dead as dead:
        raise _no_plan(dead) from None
    except RecursionError:
        raise TooBig("what the goal is given is nested too deep") from None
    return Draft(search.tasks, done.result, search.names, search.tried)


def _no_plan(dead: _Dead) -> NoPlan | BadProblem:
    context: dict[str, Any] = {"task": dead.task, "reasons": dead.reasons}
    if dead.cycle is not None:
        return BadProblem(
            f"methods lead back to where they began: {' -> '.join(dead.cycle)}",
            hint="give one of these tasks a method that ends it, before the others",
            context={**context, "cycle": dead.cycle, "field": f"methods.{dead.cycle[0]}"},
        )
    return NoPlan(
        f"no method of {dead.task} is left: {'; '.join(dead.reasons)}"[:2000],
        hint="add a method whose condition holds",
        context=context,
    )


class _Search:
    def __init__(
        self,
        methods: Methods,
        tried: Tried,
        names: Mapping[str, str],
        kept: Mapping[str, Bound],
    ) -> None:
        self._methods = methods
        self._kept = kept
        self._tries = 0
        self._way: list[tuple[str, bytes]] = []
        self.tried = tried
        self.names = dict(names)
        self.tasks: dict[str, Drafted] = {}

    def take(self, part: _Part) -> _Done:
        """Returns what becomes of one task."""
        weigh(part.given, part.where)
        if part.task not in self._methods:
            return self._node(part)
        with self._within(part):
            return self._chosen(part)

    def _node(self, part: _Part) -> _Done:
        if not part.chosen:
            raise _Dead(part.task, ["no method is declared for it"])
        if len(self.tasks) >= MAX_TASKS:
            raise TooBig(f"the plan has more than {MAX_TASKS} tasks")
        place = part.at + "".join(f" {one.method}#{one.attempt}" for one in part.chosen)
        name = self.names.get(place) or self._free_name(part.name)
        self.names[place] = name
        self.tasks[name] = Drafted(part.task, part.given, list(part.after), part.chosen, part.where)
        return _Done({REF: f"{name}.result"}, [name])

    def _free_name(self, base: str) -> str:
        taken = set(self.names.values()) | set(self._kept) | {INPUT, ITEM, INDEX}
        name, number = base[:_MAX_NAME], 1
        while name in taken:
            number += 1
            name = f"{base[:_MAX_NAME]}_{number}"
        return name

    def _chosen(self, part: _Part) -> _Done:
        reasons: list[str] = []
        cycle: list[str] | None = None
        before = self.tried.get(part.at, [])
        for way in self._methods[part.task]:
            self._tries += 1
            if self._tries > MAX_TRIES:
                raise TooBig(f"more than {MAX_TRIES} methods were looked at for one plan")
            name = way.method.name
            attempt = before.count(name) + 1
            if attempt > way.method.attempts:
                reasons.append(f"{name} has failed")
                continue
            if not way.fits(part.given):
                reasons.append(f"{name}: {way.method.when} does not hold")
                continue
            choice = Choice(part.at, part.name, name, attempt)
            here, names = dict(self.tasks), dict(self.names)
            try:
                return self._steps(way, part, [*part.chosen, choice])
            except _Dead as dead:
                self.tasks, self.names = here, names
                cycle = cycle or dead.cycle
                reasons.append(f"{name}: {dead.task}: {'; '.join(dead.reasons)}"[:500])
        raise _Dead(part.task, reasons, cycle)

    def _steps(self, way: Way, part: _Part, chosen: list[Choice]) -> _Done:
        scope: dict[str, Bound] = {**self._kept, INPUT: part.given}
        ends: dict[str, _Done] = {}
        for step in way.steps:
            first = [node for one in way.needs[step.name] for node in ends[one].last]
            whole = _Part(
                step.task,
                None,
                f"{part.at}/{step.name}",
                step.name,
                f"{way.where}.steps.{step.name}",
                chosen,
                first or part.after,
            )
            ends[step.name] = self._step(step, whole, scope)
            scope[step.name] = {"result": ends[step.name].result}
        last = [node for one in way.last for node in ends[one].last]
        output = way.method.output
        if output is None:
            result: Bound = {one: ends[one].result for one in way.last}
        else:
            result = bind(output, scope, f"{way.where}.output")
        return _Done(result, list(dict.fromkeys(last)) or list(part.after))

    def _step(self, step: Step, part: _Part, scope: dict[str, Bound]) -> _Done:
        place = f"{part.where}.input"
        if step.each is None:
            given = bind(step.input, scope, place)
            return self.take(msgspec.structs.replace(part, given=given))
        items = bind(step.each, scope, f"{part.where}.each")
        if not isinstance(items, list):
            raise _no_list(items, f"{part.where}.each")
        template = {REF: ITEM} if step.input is None else step.input
        done: list[_Done] = []
        for index, item in enumerate(items):
            given = bind(template, {**scope, ITEM: item, INDEX: index}, place)
            one = msgspec.structs.replace(part, given=given, at=f"{part.at}[{index}]")
            done.append(self.take(one))
        last = dict.fromkeys(node for one in done for node in one.last)
        return _Done([one.result for one in done], list(last) or list(part.after))

    @contextmanager
    def _within(self, part: _Part) -> Iterator[None]:
        """Notes that a task is being taken apart: within it the same does not begin anew."""
        task = part.task
        here = (task, msgspec.json.encode(part.given))
        names = [name for name, _ in self._way]
        if here in self._way:
            cycle = [*names[self._way.index(here) :], task]
            raise _Dead(task, [f"it leads to itself: {' -> '.join(cycle)}"], cycle)
        if len(self._way) >= MAX_LEVELS:
            shown = " -> ".join([*names[:3], "…", *names[-5:], task])
            raise BadProblem(
                f"methods lie in methods deeper than {MAX_LEVELS} levels: {shown}",
                hint="give the task that calls itself a method with a condition that ends it",
                context={"field": f"methods.{task}", "task": task},
            )
        self._way.append(here)
        try:
            yield
        finally:
            self._way.pop()


def _no_list(items: Bound, where: str) -> BadProblem:
    waits = nodes_in(items)
    fact = f"is known only when {', '.join(waits)} has ended" if waits else "is no list"
    return BadProblem(f"{where}: its value {fact}", context={"field": where})
