"""A schedule in words and figures: how busy resources are, what is late, what it all depends on."""

from collections.abc import Mapping, Sequence

import msgspec

from pepperpy_capabilities.planning.schedule.critical import critical_path
from pepperpy_capabilities.planning.schedule.model import Placed
from pepperpy_capabilities.planning.schedule.shop import Shop
from pepperpy_capabilities.planning.schedule.windows import open_time
from pepperpy_schemas.resource_plans import Assignment, SchedulePlan


def explained(
    shop: Shop, placed: Sequence[Placed], *, lateness: bool, optimal: bool, bound: int
) -> SchedulePlan:
    """Returns the plan that a tightened schedule is.

    Args:
        shop: The problem.
        placed: Its items.
        lateness: Whether the lateness was to be little, and not the makespan alone.
        optimal: Whether it is proved that nothing is better.
        bound: What the objective cannot be less than.
    """
    makespan = max(one.end for one in placed)
    late, weighted = _late(shop, placed)
    steps, critical = critical_path(shop, placed)
    plan = SchedulePlan(
        assignments=_assignments(shop, placed, critical),
        makespan=makespan,
        lateness=weighted,
        late=late,
        optimal=optimal,
        bound=bound,
        critical=steps,
        load=_load(shop, placed, makespan),
    )
    return _with_words(plan, lateness=lateness, end=shop.clock.text(makespan))


def _assignments(shop: Shop, placed: Sequence[Placed], critical: set[int]) -> list[Assignment]:
    found = []
    for number, one in enumerate(placed):
        job, _, task = shop.items[number].name.partition("/")
        found.append(
            Assignment(
                job=job,
                task=task,
                start=one.start,
                end=one.end,
                uses=dict(one.mode),
                critical=number in critical,
                starts=shop.clock.text(one.start),
                ends=shop.clock.text(one.end),
            )
        )
    return sorted(found, key=lambda one: (one.start, one.end))


def _late(shop: Shop, placed: Sequence[Placed]) -> tuple[dict[str, int], int]:
    late, weighted = {}, 0
    for number, job in enumerate(shop.jobs):
        ends = [one.end for item, one in zip(shop.items, placed, strict=True) if item.job == number]
        if job.due is not None and ends and (over := max(ends) - job.due) > 0:
            late[job.name] = over
            weighted += over * job.weight
    return late, weighted


def _load(shop: Shop, placed: Sequence[Placed], makespan: int) -> dict[str, float]:
    worked: dict[str, int] = {}
    for item, one in zip(shop.items, placed, strict=True):
        for name, amount in one.mode.items():
            worked[name] = worked.get(name, 0) + amount * item.duration
    load = {}
    for name, work in worked.items():
        there = shop.capacities[name] * open_time(shop.windows.get(name), makespan)
        load[name] = round(work / there, 4) if there else 0.0
    return load


def _with_words(plan: SchedulePlan, *, lateness: bool, end: str) -> SchedulePlan:
    when = f"{plan.makespan}, {end}" if end else f"{plan.makespan}"
    lines = [f"{len(plan.assignments)} tasks are done by {when}."]
    if lateness:
        told = ", ".join(f"{job} by {over}" for job, over in plan.late.items())
        lines.append(f"Late: {told}; {plan.lateness} with weights." if told else "Nothing is late.")
    if plan.optimal:
        lines.append("No schedule is better, as was proved.")
    else:
        what = "the weighted lateness" if lateness else "the end"
        lines.append(f"There may be a better one; {what} is not below {plan.bound}.")
    lines.append("What the end depends on:")
    lines += [f"  {step.task} waits for {step.waits_for}" for step in plan.critical]
    lines += [f"{name} is used {_percent(load)} of its time." for name, load in _busiest(plan.load)]
    return msgspec.structs.replace(plan, explanation="\n".join(lines))


def _busiest(load: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(load.items(), key=lambda one: -one[1])[:5]


def _percent(share: float) -> str:
    return f"{share:.0%}"
