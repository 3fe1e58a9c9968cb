"""A question about a folder: passages of the memory, cited by a model or quoted."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from pepperpy import connect
from tests.running import start_up

__all__ = ["start_up"]

EXAMPLE = Path(__file__).parents[2] / "examples/digest"
MODELS = """
[providers.script]
kind = "scripted"
script = "{folder}/answers.yaml"

[models.default]
targets = ["script/any"]
"""
ANSWERS = """
- match: Which ferry
  text: The ferry leaves at nine [1]. It says nothing else [7].
- text: Probably tomorrow.
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at nine.\n")
    (folder / "train.md").write_text("# Train\n\nThe train to Porto is late.\n")
    return folder


async def stack(start_up, *options: str, **environment: str) -> Any:
    up = await start_up(
        f"{EXAMPLE}/agent.py:agent",
        *("--workers", "1", "--memory", "--port", "0", *options),
        PEPPERPY_MEMORY_URL="memory://",
        PEPPERPY_MEMORY_EMBEDDER="hashing",
        **environment,
    )
    await up.is_ready()
    return up


async def call(*command: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_without_a_model_the_passages_are_quoted_with_their_places(start_up, notes) -> None:
    up = await stack(start_up, "--no-models")
    taking = ("-m", "pepperpy", "--nats", up.url, "memory", "ingest", notes, "--detach")
    _, task, _ = await call(*taking)
    asking = (EXAMPLE / "ask.py", "When does the ferry leave?", "--url", up.url)
    code, out, err = await call(*asking, "--after", task.strip(), "--folder", "notes")
    assert code == 0, err
    assert "In the memory: 2 passages of 2 files." in err
    assert "Quoted, because no model has answered: nobody serves models" in out
    assert "[1] notes/ferry.md:1-3" in out
    assert "The **ferry** **leaves** at nine." in out.replace("\n      ", " ")
    code, out, _ = await call(*asking, "--folder", "other")
    assert (code, "the memory knows nothing of it" in out) == (3, True)


async def test_a_model_answers_and_only_what_it_cites_is_shown(
    start_up, notes, tmp_path: Path
) -> None:
    (tmp_path / "answers.yaml").write_text(ANSWERS)
    (tmp_path / "models.toml").write_text(MODELS.format(folder=tmp_path))
    up = await stack(
        start_up, "--models", PEPPERPY_PROVIDER_DECLARATION=str(tmp_path / "models.toml")
    )
    await call("-m", "pepperpy", "--nats", up.url, "memory", "ingest", notes)
    asking = (EXAMPLE / "ask.py", "--url", up.url)
    code, out, err = await call(*asking, "Which ferry leaves at nine?")
    assert code == 0, err
    assert "The ferry leaves at nine [1]. It says nothing else [7].  (script/any)" in out
    assert "[1] notes/ferry.md:1-3" in out
    assert "train.md" not in out
    async with connect(up.url) as bus:
        answer = await bus.run("ask", {"text": "Which ferry leaves at nine?"})
    assert (answer["cited"], answer["model"]) == ([1], "script/any")
    # Who cites nothing is not believed.
    code, out, _ = await call(*asking, "When does the train come?")
    assert code == 0
    assert "Quoted, because script/any cited no passage." in out
    assert "tomorrow" not in out
    assert "notes/train.md:1-3" in out


async def test_the_small_model_of_this_machine_is_not_asked(
    start_up, notes, tmp_path: Path
) -> None:
    (tmp_path / "answers.yaml").write_text(ANSWERS)
    declared = MODELS.format(folder=tmp_path)
    declared += '[providers.local]\nkind = "local"\n'
    declared = declared.replace('targets = ["script/any"]', 'targets = ["local/smollm2-135m"]')
    (tmp_path / "models.toml").write_text(declared)
    up = await stack(
        start_up, "--models", PEPPERPY_PROVIDER_DECLARATION=str(tmp_path / "models.toml")
    )
    await call("-m", "pepperpy", "--nats", up.url, "memory", "ingest", notes)
    async with connect(up.url) as bus:
        answer = await bus.run("ask", {"text": "Which ferry leaves at nine?"}, wait="30s")
        assert "small one of this machine" in answer["problem"]
        asked = {"text": "Which ferry leaves at nine?", "model": "script/any"}
        answer = await bus.run("ask", asked, wait="30s")
    assert answer["cited"] == [1]
