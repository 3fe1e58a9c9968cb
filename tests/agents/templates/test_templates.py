"""What a template is given, and what it makes of it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import BaseModel

from pepperpy_agents.templates import Template
from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.errors import BadConfig, BadPayload

HEAD = """\
---
description: Answers from sources.
variables:
  topic: str
  notes: {type: [str], default: []}
  tone: {type: str, choices: [plain, formal], default: plain}
  most: {type: int, required: false}
---
"""


def template(body: str, head: str = HEAD, **options: Any) -> Template:
    return Template(head + body, **options)


def test_values_stand_where_the_variables_were() -> None:
    one = template("{{ topic }}, {{ tone }}\n{% for n in notes %}\n- {{ n }}\n{% endfor %}\n")
    assert one.render(topic="Otters", notes=["a", "b"]) == "Otters, plain\n- a\n- b"
    assert one.description == "Answers from sources."


def test_missing_and_extra_and_wrong_values_are_named_all_at_once() -> None:
    with pytest.raises(BadPayload) as refused:
        template("{{ topic }}").render(notse=["a"], tone="rude", notes=["a", 1])
    assert str(refused.value) == (
        "inline: topic is missing (str); notse is not declared (did you mean notes?); "
        "notes[1]: Expected `str`, got `int`; tone: Invalid enum value 'rude'"
    )
    assert refused.value.context == {"missing": ["topic"], "extra": ["notse"]}
    assert refused.value.hint.startswith("it takes topic, notes=, tone=, most= ")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("str", "a", 1),
        ("int", 1, "1"),
        ("int", 1, True),
        ("float", 1, "1"),
        ("bool", True, 1),
        ("list", [1, "a"], {"a": 1}),
        ("dict", {"a": 1}, [1]),
        ("[int]", [1, 2], [1, "2"]),
        ("any", {"a": [None]}, object()),
    ],
)
def test_every_type_takes_its_own_values_alone(kind: str, good: Any, bad: Any) -> None:
    one = Template(f"---\nvariables: {{x: {kind}}}\n---\n{{{{ x|tojson }}}}")
    assert json.loads(one.render(x=good)) == good
    with pytest.raises(BadPayload, match="inline: x"):
        one.render(x=bad)


def test_models_and_structs_are_given_as_the_data_that_they_are() -> None:
    @dataclass
    class Point:
        x: int

    class Place(BaseModel):
        name: str

    one = Template("---\nvariables: {p: dict, q: dict}\n---\n{{ p.x }} {{ q.name }}")
    assert one.render(p=Point(3), q=Place(name="Lisbon")) == "3 Lisbon"


def test_a_value_is_never_read_as_a_template() -> None:
    for value in ("{{ 7*7 }}", "{% for x in [1] %}{% endfor %}", "{0.__class__}", "%(x)s", "{# #}"):
        assert template("{{ topic }}").render(topic=value) == value
        assert template("{{ topic|upper }}").render(topic=value) == value.upper()
        once_more = template("{% set again = topic ~ '!' %}{{ again }}")
        assert once_more.render(topic=value) == f"{value}!"


def test_a_value_that_may_be_left_out_is_null() -> None:
    one = template("{{ 'up to ' ~ most if most is not none else 'any' }}")
    assert one.render(topic="x") == one.render(topic="x", most=None) == "any"
    assert one.render(topic="x", most=3) == "up to 3"


@pytest.mark.parametrize(
    ("head", "line", "fact"),
    [
        ("version: one", 2, "version 'one' is not a semantic version"),
        ("nmae: x", 2, "unknown field `nmae`"),
        ("variables:\n  a: str\n  b: {type: text}", 4, "there is no type text"),
        ("variables:\n  a: {type: int, default: x}", 3, "its default does not fit"),
        ("variables:\n  a: {type: int, default: 1, required: true}", 3, "has a default"),
        ("variables:\n  'a b': str", 3, "is no name for a variable"),
        ("variables:\n  self: str", 3, "is no name for a variable"),
        ("variables:\n  a: str\n  a: int", 3, "'a' is there twice"),
        ("messages:\n  - {role: robot}", 3, "Invalid enum value 'robot'"),
        ("messages:\n  - {insert: history}", 3, "no variable of type messages"),
        ("messages:\n  - {content: x}", 3, "needs a role"),
        ("a: [", 3, "expected"),
        ("- a", 2, "Expected `object`"),
        ("x: !!python/object/apply:os.system [ls]", 2, "could not determine a constructor"),
    ],
)
def test_a_wrong_head_is_refused_with_its_line(head: str, line: int, fact: str) -> None:
    with pytest.raises(BadConfig) as refused:
        Template(f"---\n{head}\n---\ntext", origin="a.md")
    told = str(refused.value)
    assert fact in told
    assert told.startswith(f"a.md:{line}:" if "version" not in head else "a.md:")


def test_a_head_without_an_end_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"inline:1: the head has no end"):
        Template("---\nname: x\n")


@pytest.mark.parametrize(
    ("body", "line", "fact"),
    [
        ("a\n{{ toppic }}", 2, "toppic is not declared"),
        ("a\n\n{% if %}", 3, "Expected an expression"),
        ("{{ topic|nothing }}", 1, "there is no filter nothing"),
        ("{{ topic is nothing }}", 1, "there is no test nothing"),
        ("\n{{ topic.upper() }}", 2, "only range"),
        ("{% include topic %}", 1, "an include is named by a variable"),
        ("\n{% macro x() %}{% endmacro %}", 2, "macro is not in the language"),
    ],
)
def test_a_mistake_is_told_by_its_line_before_anything_is_rendered(
    body: str, line: int, fact: str
) -> None:
    one = template(body, origin="a.md")
    with pytest.raises(BadConfig) as refused:
        one.check()
    assert str(refused.value).startswith(f"a.md:{line + HEAD.count(chr(10))}: {fact}")


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        ("\n{{ d.b }}", "the mapping has no 'b'; there is a"),
        ("\n{{ d }}", "a mapping is no text"),
        ("\n{{ d.a / 0 }}", "division by zero"),
        ("\n{{ d.a + 'x' }}", "+ calculates with numbers"),
        ("\n{% for x in d.a %}{% endfor %}", "'int' object is not iterable"),
    ],
)
def test_what_goes_wrong_with_values_is_told_by_its_line(body: str, fact: str) -> None:
    one = Template("---\nvariables: {d: dict}\n---" + body, origin="a.md")
    with pytest.raises(BadConfig) as refused:
        one.render(d={"a": 1})
    assert str(refused.value).startswith(f"a.md:4: {fact}")


# --- formats --------------------------------------------------------------------------------------


def test_json_values_are_written_as_json_by_themselves_and_inside_texts() -> None:
    one = Template(
        "---\nvariables: {name: str, tags: [str], n: int, x: any}\n---\n"
        '{"name": {{ name }}, "greeting": "Dear {{ name }} \\"{{ n }}\\"",'
        '{% if tags %} "tags": {{ tags }},{% endif %} "x": {{ x }} }',
        fmt="json",
    )
    nasty = 'Ana "the \\ otter"\n\u2028</script>'
    text = one.render(name=nasty, tags=["a", '"'], n=2, x=None)
    assert json.loads(text) == {
        "name": nasty,
        "greeting": f'Dear {nasty} "2"',
        "tags": ["a", '"'],
        "x": None,
    }


LEAVES = st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=20)


@given(st.dictionaries(st.text(max_size=5), st.recursive(LEAVES, st.lists, max_leaves=8)))
@settings(max_examples=50, deadline=None)
def test_every_value_comes_back_from_json(value: dict[str, Any]) -> None:
    one = Template('---\nvariables: {v: any, s: str}\n---\n{"v": {{ v }}, "s": "<{{ s }}>"}')
    text = "".join(value)
    assert json.loads(one.render(fmt="json", v=value, s=text)) == {"v": value, "s": f"<{text}>"}


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        ('{"a": {{ topic }}', "is no JSON"),
        ('{"a": "{{ topic }}', "a JSON text is not closed"),
        ('{"a": {% if topic %}"{% endif %}x"}', "begins or ends in one branch alone"),
        ('{"a": "\\{{ topic }}"}', "stands behind a backslash"),
        ('{"a": "{% include \'house-style\' %}"}', "stands inside a JSON text"),
    ],
)
def test_a_json_template_that_could_not_be_trusted_is_refused(body: str, fact: str) -> None:
    from pepperpy_agents.templates import Templates

    with pytest.raises(BadConfig, match=fact):
        template(body, fmt="json", find=Templates().get).render(topic="x")


MEANS_NOTHING = {"inline", "paragraph_open", "paragraph_close", "text", "softbreak", "hardbreak"}


def _words(text: str) -> list[str]:
    return text.split()


@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from("`*_[]()<>#+-=|~&!\\\n \t1.)ab:/"), st.characters(codec="utf-8")
        ),
        max_size=40,
    )
)
@settings(max_examples=400, deadline=None)
def test_a_value_in_markdown_is_text_and_never_structure(value: str) -> None:
    one = Template("---\nvariables: {v: str}\n---\nBefore.\n\n{{ v }}\n\nAfter.", fmt="markdown")
    text = one.render(v=value)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    inner = [child for token in tokens for child in token.children or []]
    assert {token.type for token in [*tokens, *inner]} - {"text_special"} <= MEANS_NOTHING
    shown = "".join(one.content if one.type != "softbreak" else " " for one in inner)
    if value.isprintable():
        assert _words(shown.removeprefix("Before.").removesuffix("After.")) == _words(value)


def test_markdown_that_is_meant_is_let_through_and_code_cannot_leave_its_fence() -> None:
    one = Template(
        "---\nvariables: {v: str}\n---\n{{ v|as_is }}\n\n{{ v|fenced('py') }}\n\n{{ v|quoted }}",
        fmt="markdown",
    )
    value = "# A\n```\nb\n````\n# C"
    assert one.render(v=value) == (
        f"{value}\n\n`````py\n{value}\n`````\n\n> # A\n> ```\n> b\n> ````\n> # C"
    )


def test_a_chat_is_made_of_messages_with_a_history_between() -> None:
    one = Template(
        "---\nvariables: {topic: str, history: {type: messages, default: []}}\n"
        "messages:\n  - {role: system}\n  - {insert: history}\n"
        '  - {role: user, content: "About {{ topic }}."}\n---\nYou know {{ topic }}.'
    )
    past = [ChatMessage("user", "Hi {{ topic }}"), ChatMessage("assistant", "Hello")]
    assert one.render(topic="{{x}}", history=past) == [
        ChatMessage("system", "You know {{x}}."),
        *past,
        ChatMessage("user", "About {{x}}."),
    ]
    assert one.render(fmt="text", topic="otters") == "You know otters."
    with pytest.raises(BadPayload, match=r"history\[0\]"):
        one.render(topic="x", history=["no message"])


def test_a_text_alone_is_a_system_message() -> None:
    assert template("{{ topic }}").render(fmt="chat", topic="x") == [ChatMessage("system", "x")]


def test_a_text_that_no_message_says_is_refused() -> None:
    with pytest.raises(BadConfig, match="is said by 0 messages"):
        Template("---\nmessages:\n  - {role: user, content: x}\n---\nlost")
    one = Template("---\nmessages:\n  - {role: user, content: x}\n---\n")
    with pytest.raises(BadConfig, match="has messages only"):
        one.render(fmt="text")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(BadConfig, match="there is no format 'html'"):
        template("x").render(fmt="html", topic="x")  # type: ignore[call-overload]


def test_jinja_is_imported_when_something_is_rendered() -> None:
    code = (
        "import sys\n"
        "from pepperpy_agents.templates import Template, Templates\n"
        "one = Templates().get('house-style')\n"
        "assert 'jinja2' not in sys.modules and 'yaml' in sys.modules\n"
        "one.render()\n"
        "assert 'jinja2' in sys.modules\n"
        "import pepperpy_agents\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_missing_jinja_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("pepperpy_agents.templates.comp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("pepperpy_agents.templates.compiled", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BadConfig, match="templates need the package jinja2") as refused:
        template("x").render(topic="x")
    assert "[templates]" in refused.value.hint
