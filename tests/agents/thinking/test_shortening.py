"""What is left out of a conversation that is too long: results of tools, the oldest first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.thinking.shortening import shortened
from pepperpy_schemas.chat import ChatMessage, Part, ToolCall, ToolResult


def talk(*sizes: int) -> list[ChatMessage]:
    found = [ChatMessage("user", "question")]
    for n, size in enumerate(sizes):
        wanted: list[Part] = [ToolCall(f"c{n}", "look")]
        given: list[Part] = [ToolResult(f"c{n}", "x" * size)]
        found += [ChatMessage("assistant", wanted), ChatMessage("tool", given)]
    return found


def sizes_of(messages: list[ChatMessage]) -> list[int]:
    return [len(p.content) for m in messages for p in m.parts if isinstance(p, ToolResult)]


def test_the_last_results_are_cut_last() -> None:
    once = shortened(talk(5000, 100, 5000))
    assert once is not None
    first, small, last = sizes_of(once)
    assert first < 300
    assert (small, last) == (100, 5000)
    twice = shortened(once)
    assert twice is not None
    assert sizes_of(twice)[2] < 300
    assert shortened(twice) is None


def test_a_conversation_without_results_has_nothing_to_leave_out() -> None:
    assert shortened([ChatMessage("user", "x" * 10_000)]) is None


@given(st.lists(st.integers(0, 1000), max_size=6))
@settings(max_examples=60)
def test_it_comes_to_an_end_and_every_call_keeps_a_result(sizes: list[int]) -> None:
    messages: list[ChatMessage] | None = talk(*sizes)
    assert messages is not None
    for _ in range(3):
        less = shortened(messages)
        if less is None:
            break
        assert sum(sizes_of(less)) < sum(sizes_of(messages))
        assert len(sizes_of(less)) == len(sizes)
        messages = less
    assert shortened(messages) is None
