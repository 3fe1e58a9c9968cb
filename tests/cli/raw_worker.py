"""A worker in a few lines over the bus alone, in a process of its own.

``python raw_worker.py URL PREFIX TOPIC...``: prints ``ready``, then answers every task with its
body. A body with ``"fail"``, true or a message, ends with an error and a dead letter, one with
``"hang"`` not at all; ``"say": [...]`` is written as live output.
"""

import asyncio
import json
import sys
from typing import Any

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.events import Emitter
from pepperpy_bus.opening import connect
from pepperpy_bus.streams import consumers
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_bus.streams.pull import Puller
from pepperpy_bus.tasks.deadletters import write_letter
from pepperpy_schemas.catalog.tasks import TOKEN
from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.messages import Result, Token
from pepperpy_schemas.subjects import stream_name


async def work(client: Client, emitter: Emitter, topic: str, delivery: Delivery) -> None:
    task_id = delivery.subject.rsplit(".", 1)[1]
    body = json.loads(delivery.body)
    wants = body if isinstance(body, dict) else {}
    about: dict[str, Any] = {"scope": topic, "id": task_id, "attempt": 1, "certain": True}
    await emitter.emit("task", "started", **about)
    if wants.get("hang"):
        return
    for n, text in enumerate(wants.get("say", []), 1):
        token = TOKEN.encode(Token(n, 1, text))
        await client.connection.publish(TOKEN.of(client.prefix, id=task_id), token)
    result = Result(True, msgspec.Raw(delivery.body))
    if wants.get("fail"):
        said = wants["fail"] if isinstance(wants["fail"], str) else "it broke"
        error = ErrorInfo("handler_error", message=said, hint="mend it")
        result = Result(False, error=error)
        letter = write_letter(
            task_id,
            topic,
            error,
            body=delivery.body,
            headers=delivery.headers,
            attempts=[],
            deliveries=1,
        )
        await client.dead_letters.put(letter)
    await client.results.put(task_id, result, attempt=1)
    await emitter.emit("task", result.state.verb, data={"ok": result.ok}, **about)
    await delivery.ack()


async def serve(url: str, prefix: str, topics: list[str]) -> None:
    async with connect(url, bus__prefix=prefix) as client, client.emitter() as emitter:
        stream = stream_name(prefix, "TASKS")
        running: set[asyncio.Task[None]] = set()
        pullers: list[Puller] = []
        for topic in topics:
            consumer = consumers.task_consumer(prefix, topic)
            await ensure_consumer(client.connection, stream, consumer)

            def take(delivery: Delivery, topic: str = topic) -> None:
                task = asyncio.create_task(work(client, emitter, topic, delivery))
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(lambda _: pullers[topics.index(topic)].release())

            puller = Puller(client.connection, stream, consumer["name"], slots=16, on_delivery=take)
            pullers.append(await puller.__aenter__())
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], sys.argv[3:]))
