"""A problem as the solver needs it: tasks by number, and conditions that each have a name.

A condition can be left out: this is how those that exclude each other are found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pepperpy_capabilities.planning.schedule.calendars import Clock
from pepperpy_capabilities.planning.schedule.windows import Windows, common
from pepperpy_schemas.resource_plans import JobSpec


@dataclass(frozen=True, slots=True)
class Item:
    """A task.

    Attributes:
        job: The number of its job.
        name: ``job/task``.
        duration: How long it is worked on.
        pausing: Whether it rests while its resources are closed.
        modes: What it takes of each resource, one way or another.
    """

    job: int
    name: str
    duration: int
    pausing: bool
    modes: tuple[Mapping[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that a schedule must meet.

    Attributes:
        text: What it is called.
        releases: Before when items cannot begin.
        deadlines: By when items must be done.
        orders: Pairs of which the first is done before the second begins.
        capacity: The resource of which no more can be used than there is.
        calendar: The resource that is used only while it is open.
    """

    text: str
    releases: Mapping[int, int] = field(default_factory=dict)
    deadlines: Mapping[int, int] = field(default_factory=dict)
    orders: tuple[tuple[int, int], ...] = ()
    capacity: str = ""
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Shop:
    """A problem with all names resolved.

    Attributes:
        items: The tasks.
        jobs: The jobs.
        capacities: How much there is of each resource.
        windows: When each resource with a calendar is open, until the horizon.
        conditions: What a schedule must meet.
        horizon: All can be done by then, if it can be done at all.
        clock: When the units are.
    """

    items: tuple[Item, ...]
    jobs: tuple[JobSpec, ...]
    capacities: Mapping[str, int]
    windows: Mapping[str, Windows]
    conditions: tuple[Condition, ...]
    horizon: int
    clock: Clock

    def open_for(
        self, mode: Mapping[str, int], calendars: Iterable[str] | None = None
    ) -> Windows | None:
        """Returns when all resources of a mode are open; None is always.

        Args:
            mode: What a task takes.
            calendars: The resources whose calendars count; all by default.
        """
        kept = self.windows if calendars is None else set(calendars)
        return common(
            [self.windows[name] for name in mode if name in kept and name in self.windows]
        )
