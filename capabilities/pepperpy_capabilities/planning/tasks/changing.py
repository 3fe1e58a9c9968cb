"""A plan changed after tasks of it have failed: other methods, and what was completed is kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pepperpy_bus.graphs.references import literal
from pepperpy_capabilities.planning.tasks.binding import bind, known, nodes_in
from pepperpy_capabilities.planning.tasks.draft import Choice, Draft, Drafted, Tried
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadProblem, NoPlan

Again = Callable[[Tried, Mapping[str, str]], Draft]
"""Makes the plan anew, given what was tried, and the names that were given."""


class Changed(msgspec.Struct, frozen=True):
    """A plan that takes another way.

    Attributes:
        draft: The plan; None when there is no other way.
        changes: What is different, a line for each failure; or why there is no other way.
    """

    draft: Draft | None
    changes: list[str]


def other_methods(draft: Draft, failed: Sequence[str], again: Again) -> Changed:
    """Returns a plan without the methods that led to tasks that failed.

    The innermost method of a task is given up first, and one further out only where that leaves
    no way: so most of the plan stays as it is.

    Raises:
        NoPlan: No way is left; ``context.task`` is what failed.
    """
    changes: list[str] = []
    for name in failed:
        if name in draft.tasks:  # an earlier change may have left it out
            draft, change = _other(draft, name, again)
            changes.append(change)
    return Changed(draft, changes)


def _other(draft: Draft, name: str, again: Again) -> tuple[Draft, str]:
    reasons: list[str] = []
    chosen = draft.tasks[name].chosen
    for depth in reversed(range(len(chosen))):
        choice = chosen[depth]
        try:
            made = again(_with(draft.tried, choice), draft.names)
        except NoPlan as error:
            reasons += error.context.get("reasons", [])
            continue
        except BadProblem as error:
            if "cycle" not in error.context:
                raise
            continue
        outer = _left(made, chosen[:depth])
        if outer is not None:
            choice = outer
            made = msgspec.structs.replace(made, tried=_with(made.tried, outer))
        return made, f"{name}: {_instead(made, choice)}"
    raise NoPlan(
        f"{name} failed, and no other method is left: {'; '.join(reasons)}"[:2000],
        hint="declare another method, or give one more attempts",
        context={"task": name, "reasons": reasons},
    )


def _with(tried: Tried, choice: Choice) -> Tried:
    """What was tried, with one more; what was tried within it is no longer there."""
    outside = {at: one for at, one in tried.items() if not at.startswith(f"{choice.at}/")}
    return {**outside, choice.at: [*tried.get(choice.at, []), choice.method]}


def _left(draft: Draft, chosen: Sequence[Choice]) -> Choice | None:
    """The outermost of some choices that a plan no longer has, as nothing within it was left."""
    there = {one.at: one for task in draft.tasks.values() for one in task.chosen}
    return next((one for one in chosen if there.get(one.at) != one), None)


def _instead(draft: Draft, old: Choice) -> str:
    for task in draft.tasks.values():
        for one in task.chosen:
            if one.at == old.at:
                return f"{one} instead of {old}"
    return f"another way without {old}"


def adopt(
    before: Mapping[str, Drafted], after: Mapping[str, Drafted], results: Mapping[str, Any]
) -> dict[str, str]:
    """Returns which new task stands for which completed one that is no longer in the plan.

    It does when it has the same topic and is given the same: it need not be done again. A
    completed one stands for one task only.

    Args:
        before: The tasks of the plan that failed.
        after: Those of the new one, each after those that it needs.
        results: The results of completed tasks by name.
    """
    given = dict(results)
    left: dict[tuple[str, bytes], list[str]] = {}
    for name in results:
        if name in before and name not in after:
            left.setdefault(_same(before[name], given), []).append(name)
    found: dict[str, str] = {}
    for name, task in after.items():
        if name in given or any(one not in given for one in nodes_in(task.input)):
            continue
        if standing := left.get(_same(task, given)):
            found[name] = standing.pop(0)
            given[name] = given[found[name]]
    return found


def body_of(task: Drafted, results: Mapping[str, Any]) -> Any:
    """Returns what a task is given, when all that it refers to has ended."""
    needed = {name: results[name] for name in nodes_in(task.input)}
    return known(bind(task.input, result_scope(needed), task.where))


def result_scope(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns results by name as references see them."""
    return {name: {"result": literal(one)} for name, one in results.items()}


def _same(task: Drafted, results: Mapping[str, Any]) -> tuple[str, bytes]:
    return task.topic, encode(body_of(task, results))
