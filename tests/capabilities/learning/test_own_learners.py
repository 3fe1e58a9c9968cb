"""Learners that users have written, by entry point, beside the built-in ones."""

import sys
from pathlib import Path
from typing import Any, ClassVar

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_capabilities.conformance import LearnerConformance
from tests.capabilities.learning.counting import Word, WordCounter
from tests.worker_processes import Start

AGENT = "pepperpy_capabilities.learning.learner_agent:agent"


class TestWordCounter(LearnerConformance):
    examples: ClassVar[list[Any]] = [Word(word) for word in ["a", "rose", "is", "a", "rose"]]
    asked: ClassVar[Any] = Word("rose")
    unusable: ClassVar[list[Any]] = [Word("")]
    unreadable: ClassVar[list[bytes]] = [b"", b"[]", b"\x80"]

    def make(self) -> WordCounter:
        return WordCounter()


async def test_one_of_an_installed_package_has_a_topic_and_all_operations(
    client: Client, broker: Broker, prefix: str, workers: Start, tmp_path: Path
) -> None:
    package = tmp_path / "counting-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[pepperpy.learners]\nwords = {WordCounter.__module__}:WordCounter\n"
    )
    root = Path(__file__).parents[3]
    path = ":".join([str(tmp_path), str(root), *filter(None, sys.path[:1])])
    workers(broker.url, AGENT, env={"PYTHONPATH": path})

    async def do(**request: Any) -> Any:
        return await client.run("learn-words", request, wait="60s")

    told = [{"word": word} for word in ["a", "rose", "is", "a", "rose"]]
    answer = await do(do="learn", examples=told, asked=[{"word": "rose"}])
    assert answer["guesses"][0]["times"] == 2
    saved = await do(do="save")
    await do(do="reset")
    assert (await do(do="predict", asked=[{"word": "rose"}]))["guesses"][0].get("times", 0) == 0
    await do(do="load", state=saved["state"])
    figures = (await do(do="evaluate"))["figures"]
    assert figures == [{"examples": 5, "figures": {"words": 3.0}}]
