import importlib
import inspect
import json
import warnings
from collections.abc import Callable

import pytest

from pepperpy_bus.state import budget
from pepperpy_provider_svc.limits.estimate import (
    ANSWER,
    IMAGE,
    THOUGHTS,
    answer_tokens,
    embedding_tokens,
    estimate,
    input_tokens,
    text_tokens,
)
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatRequest,
    Image,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)

TEXTS = {
    "English": "Where is my parcel? It was sent on Monday, and nobody has called me since then. ",
    "German": "Die Donaudampfschifffahrtsgesellschaft fährt täglich über Österreichs Flüsse. ",
    "Russian": "Привет, как дела сегодня? Всё хорошо, спасибо большое. ",
    "Arabic": "مرحبا كيف حالك اليوم وماذا تفعل الآن ",
    "Hindi": "नमस्ते आप कैसे हैं आज का दिन ",
    "Thai": "สวัสดีครับวันนี้อากาศดีมาก",
    "Chinese": "今天天气很好，我们去公园散步吧。",
    "Japanese": "今日はとても良い天気ですね。散歩に行きましょうか。",
    "emoji": "😀🎉👍🏽🚀 ",
    "code": inspect.getsource(budget),
    "JSON": json.dumps([{"a": 1, "b": [2, 3.5], "name": "some text"}] * 5),
    "numbers": "1,2,3,4\n5,6,7,8\n",
    "base64": "U29tZSBieXRlcyB0aGF0IG1lYW4gbm90aGluZzsgeDhQcTN6TG05VnQ3S2oyTnc=",
    "hexadecimal": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


@pytest.fixture(scope="module")
def counted() -> Callable[[str], int]:
    """Counts the tokens of a text as OpenAI's models have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it opens its data the old way
        bpe_openai = importlib.import_module("bpe_openai")
    encoding = bpe_openai.get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text))


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_estimated_from_above_and_not_absurdly(
    name: str, counted: Callable[[str], int]
) -> None:
    text = TEXTS[name] * 8
    tokens = counted(text)
    assert tokens <= text_tokens(text) <= 5 * tokens


def test_english_is_estimated_closely(counted: Callable[[str], int]) -> None:
    text = TEXTS["English"] * 50
    assert text_tokens(text) <= 1.7 * counted(text)


def test_the_answer_has_what_the_request_allows_or_a_default() -> None:
    messages = [ChatMessage("user", "hello")]
    assert answer_tokens(ChatRequest(messages=messages, max_tokens=17)) == 17
    assert answer_tokens(ChatRequest(messages=messages)) == ANSWER
    assert answer_tokens(ChatRequest(messages=messages, reasoning="low")) == ANSWER + 2048
    assert (
        answer_tokens(ChatRequest(messages=messages, reasoning="high")) == ANSWER + THOUGHTS["high"]
    )
    request = ChatRequest(messages=messages, max_tokens=17)
    assert estimate(request) == input_tokens(request) + 17


def test_every_part_counts() -> None:
    def size(*parts: Text | Image | ToolCall | ToolResult | Reasoning) -> int:
        return input_tokens(ChatRequest(messages=[ChatMessage("user", list(parts))]))

    long = "word " * 300
    empty = size()
    assert size(Text(long)) == empty + 500
    assert size(Reasoning(long)) == empty + 500
    assert size(Reasoning(data=long)) == empty + 500
    assert size(Image("https://example.org/a.png")) == empty + IMAGE
    assert size(ToolResult("c1", long)) > empty + 500
    assert size(ToolCall("c1", "look", json.dumps({"text": long}))) > empty + 500


def test_tools_and_the_form_of_the_answer_count() -> None:
    plain = ChatRequest(messages=[ChatMessage("user", "hello")])
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "description": "word " * 99}},
    }
    tool = ToolSpec("look", "looks", schema)
    with_tool = ChatRequest(messages=plain.messages, tools=[tool])
    with_form = ChatRequest(messages=plain.messages, response_format=ResponseFormat(schema))
    assert input_tokens(with_tool) > input_tokens(plain) + 165
    assert input_tokens(with_form) > input_tokens(plain) + 165


def test_texts_of_an_embedding_are_counted_each() -> None:
    assert embedding_tokens(["word word", "word word"]) == 2 * (text_tokens("word word") + 1)
