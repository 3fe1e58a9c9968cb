"""Long pieces arrive whole, in messages that the server takes."""

import pytest

from pepperpy_bus.llm.assembling import Assembling, assemble
from pepperpy_bus.llm.client import LLM
from pepperpy_provider_svc.gateway.cutting import LONGEST, cut
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ToolCallDelta
from tests.provider_svc.gateway.conftest import Serving

LONG = "x" * (3 * LONGEST + 7)


def test_a_piece_that_fits_is_left_alone() -> None:
    chunk = Chunk(text="a", reasoning="b", signature="s")
    assert list(cut(chunk)) == [chunk]


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(text=LONG),
        Chunk(reasoning=LONG, signature="proof", data="secret"),
        Chunk(
            tool_calls=(ToolCallDelta(0, "c1", "book", LONG), ToolCallDelta(1, "c2", "go", "{}"))
        ),
        Chunk(text=LONG, reasoning=LONG),
    ],
)
def test_the_cut_pieces_say_the_same(chunk: Chunk) -> None:
    whole, cut_up = Assembling(), Assembling()
    whole.grow(chunk)
    parts = list(cut(chunk))
    for part in parts:
        cut_up.grow(part)
    assert cut_up.message == whole.message
    assert len(parts) > 3
    assert max(len(part.text) + len(part.reasoning) for part in parts) <= LONGEST


async def test_an_answer_of_megabytes_in_one_piece_arrives_as_a_stream(
    serving: Serving, llm: LLM
) -> None:
    # Each of these signs takes six bytes in JSON.
    script = '- text: "' + r"\x01" * 300_000 + '"'
    async with serving(script):
        reply = await assemble(llm.stream("hi"))
    assert reply.text == chr(1) * 300_000
