"""Taking over: a task that repeats another from a step on begins with that one's journal."""

from collections.abc import Iterator

import msgspec

from pepperpy_agents.durable.replay import input_entry
from pepperpy_agents.task import Task
from pepperpy_bus.client import Client
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal, batches
from pepperpy_schemas.errors import BadHeader, NotFound
from pepperpy_schemas.headers import FROM_STEP, REPLAY_OF
from pepperpy_schemas.messages import ChildrenEntry, JournalEntry, StepEntry, WaitEntry


async def take_over(client: Client, journal: Journal, task: Task) -> None:
    """Writes into a task's journal what another has done before the place where this one begins.

    The task's own input is written last: while it is missing, not everything was taken over.

    Args:
        client: The client.
        journal: The task's journal, read.
        task: The task; its headers say which task it repeats, and from where on.

    Raises:
        BadHeader: They do not say which.
        NotFound: That one's journal has expired, or is of another topic.
        Fenced: Another worker has the task now.
    """
    earlier_id, first = task.headers.replay_of, task.headers.from_step
    if not earlier_id:
        raise BadHeader(f"{FROM_STEP} needs {REPLAY_OF}", context={"header": FROM_STEP})
    there = Journal(client.connection, client.prefix, earlier_id, "")
    await there.read()
    given = there.history.input
    if given is None:
        raise NotFound(
            f"the journal of task {earlier_id} has expired: its steps cannot be taken over",
            hint="run it again without --from-step",
        )
    if given.topic != task.topic:
        raise NotFound(
            f"task {earlier_id} is of topic {given.topic}, not {task.topic}",
            hint="run a task again under its own topic",
        )
    missing = [one for one in done_before(there.history, first) if not _has(journal.history, one)]
    for batch in batches([*missing, input_entry(task)]):
        await journal.adopt(batch)


def done_before(history: History, first: int) -> Iterator[JournalEntry]:
    """Yields what a journal has of the places before one, as a first attempt's own.

    A wait that has not ended is left out: the new task asks anew.
    """
    told: set[int] = set()
    for entry in history.entries:
        match entry:
            case StepEntry() if entry.n < first:
                yield msgspec.structs.replace(entry, attempt=1)
            case ChildrenEntry():
                children = [child for child in entry.children if child.n < first]
                if children:
                    yield ChildrenEntry(1, entry.ts, children)
            case WaitEntry() if entry.n < first and entry.n not in told:
                # Several attempts may have come to it.
                told.add(entry.n)
                ended = history.outcome(entry.n)
                if ended is not None:
                    # In this order a batch that ends between them leaves no wait open.
                    yield msgspec.structs.replace(ended, attempt=1)
                    yield msgspec.structs.replace(entry, attempt=1)
            case _:
                pass


def _has(history: History, entry: JournalEntry) -> bool:
    match entry:
        case StepEntry() | WaitEntry():
            return history.at(entry.n) is not None
        case ChildrenEntry():
            return all(history.at(child.n) is not None for child in entry.children)
        case _:
            return history.outcome(getattr(entry, "n", 0)) is not None
