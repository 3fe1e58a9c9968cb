"""Running a task again: what it was given, changed where wanted, and from which place on."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.blobs import redeem
from pepperpy_bus.streams.reading import read_directly
from pepperpy_bus.tasks.deadletters import DeadLetters, body_of
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.whereabouts import find_task
from pepperpy_schemas import headers as h
from pepperpy_schemas.budgets import read_budget
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload, NotFound, PermissionDenied
from pepperpy_schemas.messages import StepEntry
from pepperpy_schemas.tokens import check_token

# A rerun is nobody's child, begins a family and a trace of its own, and goes to no schedule.
_NOT_REPEATED: Final = frozenset(
    name.lower()
    for name in (
        h.ID,
        h.REPLAY_OF,
        h.FROM_STEP,
        h.REPLY_TO,
        h.PARENT,
        h.ROOT,
        h.SOURCE,
        h.SCHEDULE_ID,
        h.TRACEPARENT,
        h.TRACESTATE,
    )
)


class Again(msgspec.Struct, frozen=True):
    """What a task was given, to be submitted anew.

    Attributes:
        task_id: The task.
        topic: Its topic.
        body: Its body.
        headers: The headers that go with it, names in lower case.
        history: What its journal says.
    """

    task_id: str
    topic: str
    body: bytes
    headers: dict[str, str]
    history: History

    @property
    def last_place(self) -> int:
        """The last place that it came to; 0 for none."""
        return self.history.last_place

    async def changed(
        self,
        connection: Connection,
        prefix: str,
        first: int | str | None,
        changes: Mapping[str, Any],
    ) -> tuple[bytes, dict[str, Any]]:
        """Returns the body and the options of `Client.submit` of the task that repeats it.

        Args:
            connection: The connection.
            prefix: The deployment's prefix.
            first: The first step that is done again, by place or name; None for everything.
            changes: New values by path: ``customer.name``, ``lines.0.amount``.

        Raises:
            NotFound: There is no such step.
            BadPayload: A path leads nowhere.
        """
        body, headers = self.body, dict(self.headers)
        if changes:
            value = decode(await redeem(connection, prefix, body, headers) or b"null", Any)
            for path, new in changes.items():
                value = _changed(value, path.split("."), new, path)
            body = encode(value)
            headers.pop(h.BLOB.lower(), None)
        headers[h.REPLAY_OF.lower()] = self.task_id
        if first is not None:
            headers[h.FROM_STEP.lower()] = str(first_place(self.task_id, self.history, first))
        return body, submit_options(headers)


async def find_again(
    connection: Connection,
    prefix: str,
    results: Results,
    dead_letters: DeadLetters,
    task_id: str,
) -> Again:
    """Returns what a task was given: its journal, its message or its dead letter tells it.

    Raises:
        NotFound: Nothing does, or not any more.
    """
    check_token(task_id, what="task id")
    where = await find_task(connection, prefix, task_id, read_directly)
    if where is not None:
        kept = {k: v for k, v in where.headers.items() if k not in _NOT_REPEATED}
        return Again(task_id, where.topic, where.body, h.from_user(kept), where.history)
    ended = await results.get(task_id)
    if ended is not None and not ended.result.ok:
        try:
            async for filed in dead_letters.find(topic=ended.topic):
                letter = filed.letter
                if letter.task_id == task_id:
                    fields = {k: v for k, v in letter.headers.items() if k not in _NOT_REPEATED}
                    return Again(
                        task_id, letter.topic, body_of(letter), h.from_user(fields), History()
                    )
        except PermissionDenied as error:
            raise NotFound(
                f"what task {task_id} was given is in its dead letter alone",
                hint="this user may not read those; an operator may",
            ) from error
    if ended is not None:
        raise NotFound(
            f"what task {task_id} was given is not kept any more",
            hint="a task without steps leaves no journal, and a journal expires; submit it anew",
            context={"task_id": task_id},
        )
    raise NotFound(
        f"no task {task_id}",
        hint="it never was, or everything of it has expired; look at the id",
        context={"task_id": task_id},
    )


def first_place(task_id: str, history: History, step: int | str) -> int:
    """Returns the first place that is done again.

    Args:
        task_id: The task, for the messages.
        history: What its journal says.
        step: A place, or the name of a step.

    Raises:
        NotFound: The journal has no such place or step, or has expired.
    """
    if history.input is None:
        raise NotFound(
            f"task {task_id} has no journal: there is nothing to take over",
            hint="it did no steps, or its journal has expired; leave --from-step out to do all of "
            "it again",
        )
    steps = [one for one in history.entries if isinstance(one, StepEntry)]
    last = history.last_place
    if isinstance(step, int):
        if 1 <= step <= last + 1:
            return step
        raise NotFound(
            f"task {task_id} has no place {step}",
            hint=f"it came to {last} places; {last + 1} goes on after the last of them",
        )
    places = [one.n for one in steps if one.name == step]
    if len(places) == 1:
        return places[0]
    if places:
        numbers = ", ".join(map(str, places))
        raise NotFound(
            f"task {task_id} has {len(places)} steps named {step!r}",
            hint=f"say which by its place: {numbers}",
        )
    names = ", ".join(f"{one.n} {one.name}" for one in steps) or "none"
    raise NotFound(
        f"task {task_id} has finished no step named {step!r}",
        hint=f"it finished: {names}; go on after the last with --unfinished",
    )


def submit_options(headers: Mapping[str, str]) -> dict[str, Any]:
    """Returns the options of `Client.submit` that stand for a task's headers.

    Args:
        headers: The headers, names in lower case.

    Raises:
        BadHeader: Its budget cannot be read.
    """
    rest = dict(headers)
    options: dict[str, Any] = {}
    if priority := rest.pop(h.PRIORITY.lower(), ""):
        options["priority"] = priority
    if key := rest.pop(h.KEY.lower(), ""):
        options["key"] = key
    if budget := rest.pop(h.BUDGET.lower(), ""):
        # What is above belongs to the family that it leaves.
        own = msgspec.structs.replace(read_budget(budget), above=[])
        options |= {"budget": own} if own.limited else {}
    return {**options, "headers": h.unfold(rest)}


def _changed(value: Any, path: Sequence[str], new: Any, whole: str) -> Any:
    name, *rest = path
    match value:
        case list() if name.isdigit() and int(name) < len(value):
            copy: Any = list(value)
            copy[int(name)] = _changed(value[int(name)], rest, new, whole) if rest else new
            return copy
        case dict() if name and (not rest or name in value):
            return value | {name: _changed(value[name], rest, new, whole) if rest else new}
        case None if name and not rest:
            return {name: new}
        case _:
            kind = type(value).__name__
            raise BadPayload(
                f"{whole}: the input has no {name!r} there, but a value of type {kind}",
                hint="name a field of the input, with dots for what is inside: customer.name",
                context={"path": whole},
            )
