"""A tool in another language, found with its schema and called as any other."""

import asyncio
from pathlib import Path

from pepperpy_agents.tools import Tool, Toolbox, ToolUse
from pepperpy_agents.tools.services import discover
from pepperpy_bus.opening import connect
from pepperpy_schemas.chat import ToolCall
from tests.examples.conftest import READY, Lane, until

USE = ToolUse(caller="tests")


async def test_a_tool_in_node_is_found_and_called(guarded_lane: Lane, node_folder: Path) -> None:
    broker, lane = guarded_lane.broker, guarded_lane
    environment = {
        **lane.environment,
        "PEPPERPY_NATS_URL": broker.url_for("worker"),
        "PEPPERPY_NATS_INBOX_PREFIX": "_INBOX_worker",
    }
    async with (
        connect(broker.url_for("operator"), bus__prefix=lane.prefix),
        connect(broker.url_for("worker"), bus__prefix=lane.prefix) as client,
    ):
        offering = await asyncio.create_subprocess_exec(
            "node", str(node_folder / "tool.mjs"), env=environment
        )
        lane.processes.append(offering)

        async def offered() -> list[Tool]:
            return await discover(client)

        (found,) = await until(offered, "the tool", within=READY)
        assert (found.name, found.description) == ("words.count", "Counts the words of a text.")
        assert (found.parameters["required"], found.timeout) == (["text"], 10.0)
        box = Toolbox([found], grants=["service:words_count"])
        for arguments, told in [
            ('{"text":"der Fährmann  schläft"}', '{"words":3}'),
            ('{"text":4}', "bad_arguments: words_count does not take these arguments: $.text"),
            ("{}", "bad_arguments: words_count does not take"),
        ]:
            result = await box.run(ToolCall("1", "words_count", arguments), USE)
            assert result.content.startswith(told)
        # What its own schema does not see, it says itself.
        asked = await found.call({"text": "a b"}, USE)
        assert asked == {"words": 2}
        blind = Tool(
            name="words.count", description="", parameters={"type": "object"}, call=found.call
        )
        said = await Toolbox([blind]).run(ToolCall("1", "words_count", '{"text":4}'), USE)
        assert said.content == "tool_failed: text is no string"
