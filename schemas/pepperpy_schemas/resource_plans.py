"""Who does what when: jobs of tasks on resources that are few, open at times, and wanted by all.

All times are whole units, counted from 0. Where the problem says when unit 0 is, as a date and time
without a zone, and how long a unit is, answers have both.
"""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Answer, Problem

PLAN_SCHEDULE: Final = "plan-schedule"
"""The topic of these problems."""
MAX_TIME: Final = 1_000_000
"""The largest time, in units."""
MAX_TASKS: Final = 5_000
"""Most tasks of a problem."""

Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME)]
Amount = Annotated[int, msgspec.Meta(ge=1, le=MAX_TIME)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class TaskSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A piece of work.

    Attributes:
        name: Its name, one of a kind in its job.
        duration: How long it is worked on.
        uses: How much it takes of each resource meanwhile.
        one_of: Resources of which it takes one more, one unit: whichever fits best.
        after: Tasks that must be done before: ``name`` in the same job, or ``job/name``.
        release: It cannot begin before.
        deadline: It must be done by then.
        pausing: Whether it rests while its resources are closed; otherwise it is done in one go.
    """

    name: str
    duration: Time
    uses: dict[str, Amount] = {}
    one_of: list[str] = []
    after: list[str] = []
    release: Time = 0
    deadline: Time | None = None
    pausing: bool = False


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Tasks that belong together.

    Attributes:
        name: Its name.
        tasks: The tasks.
        ordered: Whether each begins when the one before it is done.
        release: Nothing of it can begin before.
        due: When it should be done; what comes later is late.
        deadline: It must be done by then.
        weight: How bad each unit is that it is late: its priority.
    """

    name: str
    tasks: list[TaskSpec]
    ordered: bool = True
    release: Time = 0
    due: Time | None = None
    deadline: Time | None = None
    weight: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class CalendarSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """When something is open: by units, or by the days of the week.

    Attributes:
        open: Times ``[from, to]`` at which it is open.
        weekly: Instead of them the hours of days of the week: ``{"mon": ["09:00-12:30"]}``.
        closed: Days at which it is closed all the same: ``2026-12-25``.
    """

    open: list[tuple[Time, Time]] = []
    weekly: dict[Weekday, list[str]] = {}
    closed: list[str] = []


class ResourceSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that tasks need.

    Attributes:
        capacity: How much of it there is at a time.
        calendar: The calendar that says when it is open; always, when it is empty.
    """

    capacity: Amount = 1
    calendar: str = ""


class ScheduleProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """Jobs to plan on resources.

    Attributes:
        jobs: The jobs.
        resources: The resources by name.
        calendars: The calendars by name.
        objective: ``makespan``: all is done as early as can be. ``lateness``: the weights of the
            units that jobs are late after they are due come to as little as can be, and then all
            is done as early as can be.
        start: When unit 0 is: ``2026-11-30T08:00``. Weekly calendars need it.
        unit: How long a unit is: ``15m``.
    """

    jobs: list[JobSpec]
    resources: dict[str, ResourceSpec] = {}
    calendars: dict[str, CalendarSpec] = {}
    objective: Literal["makespan", "lateness"] = "makespan"
    start: str = ""
    unit: str = "1h"


class Assignment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """When a task is done, and by what.

    Attributes:
        job: Its job.
        task: Its name.
        start: When it begins.
        end: When it is done.
        uses: How much it takes of each resource.
        critical: Whether it is on the critical path.
        starts: The same as a date and time, where the problem has one.
        ends: The same.
    """

    job: str
    task: str
    start: Count
    end: Count
    uses: dict[str, int] = {}
    critical: bool = False
    starts: str = ""
    ends: str = ""


class CriticalStep(msgspec.Struct, frozen=True):
    """A task of the critical path.

    Attributes:
        task: The task, ``job/name``.
        waits_for: Why it did not begin earlier.
    """

    task: str
    waits_for: str


class SchedulePlan(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """A schedule.

    Attributes:
        assignments: The tasks, in the order in which they begin.
        makespan: When all is done.
        lateness: The weights of the units that jobs are late, added up.
        late: How late each late job is.
        optimal: Whether it is proved that no schedule is better.
        bound: What the objective cannot be less than.
        critical: The chain of tasks that the end depends on, first to last: had one of them been
            done earlier, all could have been.
        load: The share of its open time until the end at which each resource is used.
    """

    assignments: list[Assignment]
    makespan: Count
    lateness: Count = 0
    late: dict[str, int] = {}
    optimal: bool
    bound: Count = 0
    critical: list[CriticalStep] = []
    load: dict[str, float] = {}
