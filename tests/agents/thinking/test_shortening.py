"""What is left out of a conversation that is too long: old results first, the question never."""

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


def test_what_was_said_before_is_cut_and_the_question_never() -> None:
    system, long = ChatMessage("system", "s" * 900), "x" * 5000
    past = [ChatMessage("user", long), ChatMessage("assistant", long), ChatMessage("user", "short")]
    whole = [system, *past, ChatMessage("user", "q" * 5000), *talk(5000, 5000)[1:]]
    old_results = shortened(whole, before=3)
    assert old_results is not None
    assert sizes_of(old_results)[1] == 5000
    assert [len(one.text) for one in old_results[:5]] == [900, 5000, 5000, 5, 5000]
    said_before = shortened(old_results, before=3)
    assert said_before is not None
    cut = [len(one.text) for one in said_before[:5]]
    assert max(cut[1:3]) < 300
    assert (cut[0], *cut[3:]) == (900, 5, 5000)
    assert sizes_of(said_before)[1] == 5000
    last = shortened(said_before, before=3)
    assert last is not None
    assert max(sizes_of(last)) < 300
    assert shortened(last, before=3) is None


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
