"""What may differ between two requests that one answer does for."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pepperpy_provider_svc.cache.likeness import LONGEST, Likeness, likeness_of
from pepperpy_provider_svc.cache.similar import one_language
from pepperpy_provider_svc.cache.thresholds import threshold_of
from pepperpy_provider_svc.declared.models import Model, Semantic, Threshold
from pepperpy_provider_svc.routing.route import Route, RouteTarget
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Image, Text, ToolResult, ToolSpec
from pepperpy_schemas.memory import Entry, Hit, SearchReply

ROUTE = Route((RouteTarget("openai", "gpt-5"),))
WORDS = st.lists(st.from_regex(r"[a-zäß]{2,8}", fullmatch=True), max_size=5).map(" ".join)


def asked(question: Any, **options: Any) -> ChatRequest:
    said = [ChatMessage("system", "Be brief."), ChatMessage("user", question)]
    return ChatRequest(**{"messages": said, "temperature": 0.0, **options})


def likeness(question: Any, tenant: str = "a", **options: Any) -> Likeness:
    found = likeness_of(tenant, asked(question, **options), ROUTE)
    assert found is not None
    return found


@settings(max_examples=100)
@given(WORDS, WORDS, st.lists(st.integers(0, 10**6), max_size=3))
def test_words_of_the_question_may_differ_and_its_numbers_may_not(
    one: str, other: str, numbers: list[int]
) -> None:
    said = ", ".join(map(str, numbers))
    key = likeness(f"{one}, so {said}.").key
    assert likeness(f"Hi! {other}, and {said}?").key == key
    assert likeness(f"{other}, and {said}, 7").key != key


@settings(max_examples=50)
@given(st.lists(st.integers(0, 99), min_size=2, max_size=2, unique=True))
def test_numbers_keep_their_order(numbers: list[int]) -> None:
    one, other = numbers
    assert likeness(f"from {one} to {other}").key != likeness(f"from {other} to {one}").key


def test_numbers_are_the_same_in_all_digits() -> None:
    assert likeness("order 42").key == likeness("طلب ٤٢").key != likeness("order 43").key
    assert likeness([Text("order "), Text("42", cache=True)]) == likeness("order 42 ")


def test_whose_it_is_and_all_the_rest_must_be_equal() -> None:
    key = likeness("Where is it?").key
    assert likeness("Where is it?", tenant="b").key != key
    before = [ChatMessage("system", "Be polite."), ChatMessage("user", "Where is it?")]
    for changes in (
        {"messages": before},
        {"max_tokens": 7},
        {"temperature": 0.5},
        {"seed": 1},
        {"reasoning": "low"},
        {"stop": ["."]},
    ):
        assert likeness("Where is it?", **changes).key != key


def test_what_is_no_plain_question_has_nothing_like_it() -> None:
    def none(request: ChatRequest) -> bool:
        return likeness_of("a", request, ROUTE) is None

    assert none(asked("Look.", tools=[ToolSpec("look")]))
    assert none(asked([Text("What is this?"), Image("https://x/y.png")]))
    assert none(asked(" \n"))
    assert none(asked("x" * (LONGEST + 1)))
    assert not none(asked("x" * LONGEST))
    result = ChatMessage("tool", [ToolResult("c1", "42")])
    assert none(msgspec.structs.replace(asked("Look."), messages=[result]))
    assert none(msgspec.structs.replace(asked("x"), messages=[ChatMessage("assistant", "x")]))


def test_every_embedder_has_its_own_threshold_or_none() -> None:
    declared = Semantic.model_validate(
        {"thresholds": {"hashing:64": 0.8, "provider:m": {"same": 0.9, "other": 0.85}}}
    )
    assert threshold_of(declared, "hashing:64@1") == Threshold(same=0.8, other=0.8)
    assert threshold_of(declared, "provider:m@x@y") is None
    assert threshold_of(declared, "provider:m@text-3") == Threshold(same=0.9, other=0.85)
    assert threshold_of(declared, "sentence-transformers:/m@1") is None
    assert threshold_of(declared, "") is None
    known = threshold_of(declared, "e5@q4")
    assert known is not None
    assert known.other < known.same
    own = Semantic.model_validate({"thresholds": {"e5": 0.99}})
    assert threshold_of(own, "e5@q4") == Threshold(same=0.99, other=0.99)


def test_an_alias_that_keeps_nothing_has_nothing_similar() -> None:
    with pytest.raises(ValidationError, match="semantic needs cache_ttl"):
        Model.model_validate({"targets": ["a/b"], "semantic": True})
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Threshold.model_validate(1.5)


@pytest.mark.parametrize(
    ("question", "lang", "there", "of", "one"),
    [
        ("How high is Mount Everest?", "en", "Who climbed Mount Everest?", "en", True),
        ("How high is Mount Everest?", "en", "Wie hoch ist der Mount Everest?", "de", False),
        ("Is the pool heated?", "en", "Is the pool clean?", "nl", True),
        ("Who won Super Bowl XLIX?", "en", "Wer gewann Super Bowl XLIX?", "de", True),
        ("埃菲尔铁塔有多高?", "zh", "How high is the Eiffel Tower?", "en", False),
    ],
)
def test_two_languages_are_those_that_share_few_words_as_well(
    question: str, lang: str, there: str, of: str, one: bool
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    entry = Entry(
        id="e", namespace="n", text=there, lang=of, at=moment, created=moment, updated=moment
    )
    hit = Hit(entry, 0.99)
    assert one_language(question, SearchReply([hit], lang=lang), hit) is one
