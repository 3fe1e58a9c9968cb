"""What the dashboard answers."""

from typing import Any

import pytest

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
