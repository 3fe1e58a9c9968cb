"""The spans of a task that has ended, of what was heard of it and of its journal.

One request is enough then: all else was told while it ran. Of a task that began before anybody
listened everything is read.
"""

from collections.abc import Sequence

from pepperpy_bus.client import Client
from pepperpy_bus.events import Heard
from pepperpy_bus.tasks.evidence import Evidence
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.results import Ended
from pepperpy_bus.tasks.telling import tell
from pepperpy_bus.tasks.whereabouts import Whereabouts
from pepperpy_bus.tracing.reading import read_spans
from pepperpy_bus.tracing.spans import Span
from pepperpy_bus.tracing.task_spans import spans_of
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.messages import Result


async def spans_at_end(
    client: Client, end: Heard, events: Sequence[Heard], calls: Sequence[Heard]
) -> list[Span]:
    """Returns the spans of one task, without those of its children and of services.

    Args:
        client: The client.
        end: The event of its end.
        events: All that was heard of it, in order, the end among it.
        calls: What services told of requests in its trace.

    Raises:
        NotFound: Nothing is known of the task, or not any more.
    """
    if not any(one.name == "task.started" and one.event.attempt == 1 for one in events):
        return await read_spans(client, end.id)
    journal = Journal(client.connection, client.prefix, end.id, "")
    await journal.read()
    evidence = Evidence(
        task_id=end.id,
        where=_where(end, journal.history),
        history=journal.history,
        events=list(events),
        ended=_ended(end),
    )
    state = evidence.state()
    assert state is not None
    spans = spans_of(tell(evidence, state), calls)
    return [one for one in spans if one.what not in ("model", "memory")]


def _where(end: Heard, history: History) -> Whereabouts | None:
    given = history.input
    if given is None:
        return None
    return Whereabouts(end.id, given.topic, b"", given.headers, history, [], key=given.key)


def _ended(end: Heard) -> Ended:
    """The end as its event tells it."""
    code = str(end.data.get("code", ""))
    error = ErrorInfo(code, message=str(end.data.get("message", ""))) if code else None
    ok = end.verb == "completed"
    return Ended(end.id, Result(ok=ok, error=error), end.scope, end.event.attempt)
