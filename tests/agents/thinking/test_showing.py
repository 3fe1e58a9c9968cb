"""What watchers see: all of the text, in order, also over a broker that is slow for a while."""

from collections import deque
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy import Client, Context
from pepperpy_agents.thinking import LLMAgent
from pepperpy_agents.thinking.showing import Showing
from pepperpy_schemas.errors import QueueFull
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import says
from tests.provider_svc.asking import Planned


class Slow:
    """Takes pieces but for those times when its queue is full."""

    def __init__(self, full: list[bool]) -> None:
        self.full = deque(full)
        self.taken: list[Any] = []

    async def stream(self, piece: Any) -> None:
        if self.full and self.full.popleft():
            raise QueueFull("too many pieces wait")
        self.taken.append(piece)


@given(
    texts=st.lists(st.text(max_size=5), min_size=1, max_size=8),
    full=st.lists(st.booleans(), max_size=12),
)
@settings(max_examples=100)
async def test_no_piece_is_lost_or_changes_places(texts: list[str], full: list[bool]) -> None:
    slow = Slow(full)
    showing = Showing(cast("Context", slow))
    for text in texts:
        await showing.say(text)
    shown = "".join(slow.taken)
    assert "".join(texts).startswith(shown)
    while slow.full:
        await showing.say("")
        if not full:
            break
        slow.full.clear()
    await showing.say("")
    assert "".join(slow.taken) == "".join(texts)


async def test_a_long_text_travels_in_pieces() -> None:
    slow = Slow([])
    await Showing(cast("Context", slow)).say("x" * 40_000)
    assert [len(one) for one in slow.taken] == [16_384, 16_384, 7_232]


async def test_an_answer_that_begins_anew_takes_back_what_was_shown(
    client: Client, working: Working, model: Planned
) -> None:
    # The provider service has an answer mended that has not the form.
    model.plan = deque([says("no JSON"), says('{"city":"Rome"}')])
    form = {"type": "object", "properties": {"city": {"type": "string"}}}
    async with working(LLMAgent("teller", "Tell.", output_type=form)):
        task_id = await client.submit("teller", "Go.")
        assert await client.result(task_id, wait="20s") == {"city": "Rome"}
    said: list[Any] = []
    async for update in client.watch(task_id):
        if update.token is not None and not update.token.end:
            said.append(update.token.t or msgspec.json.decode(update.token.data))
    assert said == ["no ", "JSON", {"reset": "bad_output"}, '{"city":"Rome"}']
