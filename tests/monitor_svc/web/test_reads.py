"""What the dashboard answers."""

import gzip
import json
from typing import Any

import pytest

from pepperpy_monitor_svc.web.app import VIEWS
from pepperpy_schemas.monitor import AgentRow, TaskRow
from tests.monitor_svc.web.played import NOON

READS = (
    "overview", "topics", "streams", "tasks", "agents", "health", "errors", "topology", "models",
    "memory", "dead-letters", "alerts", "snapshots", "audit", "config", "questions", "session",
)  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_every_read_answers_with_json(browser: Any, name: str) -> None:
    status, headers, said = await browser.get(f"/api/{name}")
    assert status == 200, said
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    assert isinstance(said, dict)
