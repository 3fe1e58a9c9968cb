from typing import Any

import pytest

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.edge.checking import KEPT, Checks
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import TopicSchema


def takes(**properties: Any) -> TopicSchema:
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return TopicSchema(topic="t", version=1, input=found, output={})


class Counted:
    """The schemas of a deployment, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.schema: TopicSchema | None = None

    async def latest(self, _topic: str) -> TopicSchema | None:
        self.asked += 1
        return self.schema


async def test_a_schema_is_asked_for_once_and_again_before_a_body_is_refused() -> None:
    at, schemas = [0.0], Counted()
    checks = Checks(schemas, clock=lambda: at[0])  # type: ignore[arg-type]  # only what it asks
    for _ in range(3):
        assert await checks.check("t", b"1") == ""
    assert schemas.asked == 1

    schemas.schema = takes(a={"type": "integer"})
    assert await checks.check("t", b"1") == "", "not known yet"
    at[0] += KEPT
    assert await checks.check("t", b'{"a":1}') == "t.v1"
    assert await checks.check("t", b'{"a":2}') == "t.v1"
    assert schemas.asked == 2

    schemas.schema = takes(a={"type": "integer"}, b={"type": "string"})
    assert await checks.check("t", b'{"b":"new"}') == "t.v1"
    assert schemas.asked == 3
    with pytest.raises(BadPayload, match=r"\$\.b"):
        await checks.check("t", b'{"b":1}')


async def test_a_task_says_by_which_schema_it_was_checked(
    edge: Any, bus: Client, worker: Any
) -> None:
    schema = TopicSchema(topic="echo", version=1, input={"type": "integer"}, output={})
    await bus.schemas.announce(schema)
    async with worker(bus, "echo") as held:
        status, _, _ = await edge.ask("POST", "/v1/tasks/echo?wait=10s", json=1)
    assert status == 200
    assert held.seen[0].headers["pp-schema"] == "echo.v1"
