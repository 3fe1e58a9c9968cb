"""Tasks whose message is delivered no more, though it kills no worker: they go on with a wake.

The server counts deliveries, and knows nothing of what came of them. Retries use them up, and so do
workers that stop, replicas that lag and requests that nobody answers.
"""

from pepperpy_agents.durable.replay import input_entry
from pepperpy_agents.task import Task
from pepperpy_bus.client import Client
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.tasks.history import History
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.keys import Keys
from pepperpy_schemas.catalog.tasks import RESUME
from pepperpy_schemas.messages import Resume


def is_crash_loop(task: Task, history: History, *, woken: bool) -> bool:
    """Whether a task that was given up killed its workers: most of its deliveries left no trace.

    Args:
        task: The task, as it was last delivered.
        history: What its journal says.
        woken: Whether what was delivered was a wake, and not the task itself.
    """
    if history.open_wait is not None:
        return False  # it waits, and runs nowhere
    if woken and not history.has_begun_on(task.carrier):
        return False
    ended = history.ended_deliveries(task.carrier, original=not woken)
    return 2 * ended < task.delivery.deliveries


async def go_on(client: Client, keys: Keys, task: Task, journal: Journal, *, woken: bool) -> None:
    """Wakes a task in place of the message that was given up; harmless when it is done twice.

    Args:
        client: The client.
        keys: The keys that tasks hold.
        task: The task, as it was last delivered.
        journal: Its journal.
        woken: Whether what was delivered was a wake, and not the task itself.

    Raises:
        Fenced: Somebody runs it after all.
        BadPayload: It is no JSON, and cannot be read from its journal.
    """
    history = journal.history
    ran = history.open_wait is None and (not woken or history.has_begun_on(task.carrier))
    if ran and not history.is_adrift:
        if history.input is None:
            await journal.append(input_entry(task))
        # Whoever runs it still, against all appearances, is fenced from here on.
        await journal.released(given_up=task.carrier)
    if task.key:
        await keys.hold(task.topic, task.key, task.id)
    subject = RESUME.of(client.prefix, topic=task.topic, id=task.id)
    body = RESUME.encode(Resume("check"))
    # Stored beside a wake that was given up, which is removed when this one is there.
    await store(client.connection, subject, body, msg_id=f"{task.carrier}:again")
