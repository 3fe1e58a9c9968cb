from pepperpy_bus.llm import Assembling
from pepperpy_provider_svc.gateway.said import Said
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import Delta, Reasoning, Text, ToolCall, ToolCallDelta

CHUNKS = [
    Chunk(reasoning="think"),
    Chunk(signature="openai-responses:rs_1", data="ENC1"),
    Chunk(reasoning="more"),
    Chunk(signature="openai-responses:rs_2", data="ENC2"),
    Chunk(data="secret"),
    Chunk(text="hel"),
    Chunk(text="lo"),
    Chunk(tool_calls=(ToolCallDelta(0, "c1", "look"),)),
    Chunk(finish="tool_calls"),
]
PARTS = [
    Reasoning("think", "openai-responses:rs_1", "ENC1"),
    Reasoning("more", "openai-responses:rs_2", "ENC2"),
    Reasoning(data="secret"),
    Text("hello"),
    ToolCall("c1", "look", "{}"),
]


def test_thoughts_are_the_same_parts_for_whoever_puts_them_together() -> None:
    said, assembly, client = Said(), Assembly(), Assembling()
    for n, chunk in enumerate(CHUNKS):
        said.take(chunk)
        assembly.add(chunk)
        client.add(
            Delta(
                n + 2,
                text=chunk.text,
                reasoning=chunk.reasoning,
                signature=chunk.signature,
                data=chunk.data,
                tool_calls=list(chunk.tool_calls),
            )
        )
    assert said.message.parts == assembly.completion().message.parts == PARTS
    assert client.message.parts == PARTS


def test_an_answer_that_is_replayed_is_the_same_again() -> None:
    said, again = Said(), Said()
    for chunk in CHUNKS:
        said.take(chunk)
    for chunk in Said.chunks(said.message):
        again.take(chunk)
    assert again.message == said.message
