from typing import Any

import pytest

from pepperpy_provider_svc.guards.redaction import LONGEST, Redaction
from pepperpy_provider_svc.guards.sizes import refuse_large_answer, refuse_large_request
from pepperpy_provider_svc.guards.structured import (
    check,
    cleaned,
    json_in,
    refuse_bad_schema,
    repair_request,
)
from pepperpy_schemas.chat import ChatMessage, ChatRequest, ResponseFormat, Text, ToolSpec
from pepperpy_schemas.errors import BadConfig, BadPayload, TooLarge

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "array", "items": {"type": "object", "required": ["t"]}},
    },
    "required": ["city"],
}
FORM = ResponseFormat(SCHEMA, "forecast")


def asking(text: str = "hello", **more: Any) -> ChatRequest:
    return ChatRequest(messages=[ChatMessage("user", text)], **more)


# --- sizes --------------------------------------------------------------------------------------


def test_what_is_larger_than_allowed_is_refused() -> None:
    refuse_large_request(asking("x" * 900), 1000)
    refuse_large_answer(ChatMessage("assistant", "x" * 900), 1000)
    with pytest.raises(TooLarge, match=r"the request has 10\d\d bytes, more than 1000"):
        refuse_large_request(asking("é" * 500), 1000)
    with pytest.raises(TooLarge, match="the answer has") as refused:
        refuse_large_answer(ChatMessage("assistant", "x" * 1000), 1000)
    assert "guards.max_answer" in str(refused.value.hint)


# --- redaction ----------------------------------------------------------------------------------


def test_keys_secrets_and_declared_patterns_are_hidden() -> None:
    keys = ["planted-key-1"]
    redaction = Redaction([r"\b\d{3}-\d{2}-\d{4}\b", "(?i)acme"], lambda: keys)
    text = "planted-key-1 of ACME is 123-45-6789, Bearer abcdefghijkl"
    assert redaction.hide(text) == "*** of *** is ***, Bearer ***"
    keys[:] = ["rotated-key"]
    assert redaction.hide("planted-key-1 rotated-key") == "planted-key-1 ***"


@pytest.mark.parametrize("pattern", ["(", "a**", "x*", "(?P<a>"])
def test_a_pattern_that_cannot_be_used_is_named(pattern: str) -> None:
    with pytest.raises(BadConfig) as refused:
        Redaction([pattern], list)
    assert repr(pattern) in refused.value.message


def test_long_texts_are_cut_before_the_patterns_are_tried() -> None:
    redaction = Redaction([r"\s+y"], list)  # the square of the length
    shown = redaction.hide(" " * 10_000_000 + "x")
    assert shown == " " * LONGEST + "… (10000001 characters)"


def test_what_begins_before_the_cut_is_hidden() -> None:
    redaction = Redaction([r"\d{16}"], lambda: ["planted-key"])
    number, key = "4" * 16, "planted-key"
    for secret in (number, key):
        shown = redaction.hide("x" * (LONGEST - 8) + secret + "y" * 1000)
        assert secret[:8] not in shown
        assert "***" in shown


# --- structured answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"city":"Rome"}',
        ' {"city": "Rome"}\n',
        '```json\n{"city":"Rome"}\n```',
        'Here it is:\n```\n{"city":"Rome"}\n```\nAnything else?',
        'Sure! {"city":"Rome"} Enjoy.',
    ],
)
def test_json_is_found_with_words_and_fences_around_it(text: str) -> None:
    assert check(FORM, text) is None
    clean = cleaned(ChatMessage("assistant", [Text(text)]))
    assert clean.text.replace(" ", "") == '{"city":"Rome"}'
    assert check(FORM, clean.text) is None


def test_an_answer_that_is_clean_stays_as_it_is() -> None:
    message = ChatMessage("assistant", '{"city":"Rome"}')
    assert cleaned(message) is message
    bad = ChatMessage("assistant", "no")
    assert cleaned(bad) is bad


@pytest.mark.parametrize("text", ["", "no", "{", "{'city': 'Rome'}", "[" * 100_000, "} {"])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    assert json_in(text) is None
    wrong = check(FORM, text)
    assert wrong is not None
    assert (
        wrong.message == "the answer does not fit the schema 'forecast': $: the answer is no JSON"
    )


def test_an_error_names_the_path_and_no_value_of_the_answer() -> None:
    wrong = check(FORM, '{"city":7,"days":[{"t":1},{"planted":2}]}')
    assert wrong is not None
    assert wrong.context["problems"] == [
        '$.city: the value is not of type "string"',
        '$.days[1]: "t" is a required property',
    ]
    assert wrong.context["path"] == "$.city"
    assert "planted" not in str(wrong.info())
    assert "and 1 more" in wrong.message


def test_a_top_level_scalar_or_list_may_be_the_answer() -> None:
    assert check(ResponseFormat({"type": "integer"}), "42") is None
    assert check(ResponseFormat({"type": "array"}), "Look: [1, 2]") is None


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "objct"}, "response_format.schema.type"),
        ({"properties": {"a": {"minLength": -1}}}, "response_format.schema.properties.a.minLength"),
        ({"$ref": "#/nowhere"}, "response_format.schema is no JSON Schema"),
        ({"pattern": "("}, "response_format.schema.pattern"),
        ({"$ref": "file:///etc/hostname"}, "Retrieval is disabled"),
        ({"$ref": "http://127.0.0.1:9/a.json"}, "Retrieval is disabled"),
    ],
)
def test_a_schema_that_is_none_is_refused_before_anybody_is_asked(
    schema: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadPayload) as refused:
        refuse_bad_schema(asking(response_format=ResponseFormat(schema)))
    assert named in refused.value.message
    refuse_bad_schema(asking())
    refuse_bad_schema(asking(response_format=FORM))


def test_a_pattern_of_the_schema_cannot_take_for_ever() -> None:
    form = ResponseFormat({"type": "string", "pattern": "^(?=(a+)+$)x"})
    assert check(form, '"' + "a" * 5000 + 'b"') is not None


def test_the_model_is_shown_its_answer_and_what_is_wrong_with_it() -> None:
    request = asking(
        "Forecast for Rome?",
        response_format=FORM,
        temperature=1.0,
        tools=[ToolSpec("look")],
        tool_choice="required",
    )
    answer = ChatMessage("assistant", '{"city":7}')
    wrong = check(FORM, answer.text)
    assert wrong is not None
    again = repair_request(request, answer, wrong)
    assert again.messages[0] == request.messages[0]
    assert again.messages[1] == answer
    assert '- $.city: the value is not of type "string"' in again.messages[2].text
    assert (again.messages[2].role, again.temperature, again.tool_choice) == ("user", 0.0, "none")
    assert again.response_format == FORM
    empty = repair_request(asking(response_format=FORM), ChatMessage("assistant", " "), wrong)
    assert (empty.messages[1].text, empty.tool_choice) == ("(nothing)", "auto")
