"""Every filter of the templates' language, at work and at its bounds."""

from typing import Any

import pytest

from pepperpy_agents.templates import Template
from pepperpy_agents.templates.filters import FILTERS
from pepperpy_schemas.errors import BadConfig

HEAD = "---\nvariables: {s: str, l: list, d: dict, rows: list, n: float}\n---\n"
VALUES: dict[str, Any] = {
    "s": "the quick otter",
    "l": [3, 1, 2, 1],
    "d": {"b": 1, "a": 2},
    "rows": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "x", "v": 3}],
    "n": -1.5,
}

WORK = [
    ("{{ n|abs }}", "1.5"),
    ("{{ s|as_is }}", "the quick otter"),
    ("{{ s|capitalize }}", "The quick otter"),
    ("{{ l|count }} {{ s|length }}", "4 15"),
    ("{{ d.c|default('none') }} {{ d.c|d('no') }}", "none no"),
    ("{% for k, v in d|dictsort %}{{ k }}{{ v }} {% endfor %}", "a2 b1 "),
    ("{{ s|fenced }}", "```\nthe quick otter\n```"),
    (
        "{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ []|first }}|{{ []|last }}",
        "3 1 t r |",
    ),
    ("{{ '1.5'|float }} {{ '7'|int }} {{ 'x'|int(4) }}", "1.5 7 4"),
    ("{% for k, g in rows|groupby('k') %}{{ k }}{{ g|length }} {% endfor %}", "x2 y1 "),
    ("{{ 'a\nb\n\nc'|indent(2) }}", "a\n  b\n\n  c"),
    ("{{ 'a\nb'|indent(2, first=true) }}", "  a\n  b"),
    ("{% for k, v in d|items %}{{ k }}{{ v }} {% endfor %}", "b1 a2 "),
    ("{{ l|join(', ') }} {{ rows|map(attribute='v')|join }}", "3, 1, 2, 1 123"),
    ("{{ l|list|length }} {{ 'ab'|list|join('-') }}", "4 a-b"),
    ("{{ 'AbC'|lower }} {{ 'AbC'|upper }} {{ s|title }}", "abc ABC The Quick Otter"),
    ("{{ l|max }} {{ l|min }} {{ l|sum }}", "3 1 7"),
    ("{{ s|quoted }}", "> the quick otter"),
    ("{{ l|select('gt', 1)|join }} {{ l|reject('gt', 1)|join }}", "32 11"),
    ("{{ rows|selectattr('k', 'eq', 'x')|map(attribute='v')|join }}", "13"),
    ("{{ rows|rejectattr('k', 'eq', 'x')|map(attribute='v')|join }}", "2"),
    ("{{ s|replace('quick', 'slow') }}", "the slow otter"),
    ("{{ l|reverse|join }} {{ 'abc'|reverse }}", "1213 cba"),
    (
        "{{ l|sort|join }} {{ rows|sort(attribute='v', reverse=true)|map(attribute='v')|join }}",
        "1123 321",
    ),
    ("{{ 3|string ~ 4 }}", "34"),
    ("{{ d|tojson }}", '{"b":1,"a":2}'),
    ("{{ [1]|tojson(indent=2) }}", "[\n  1\n]"),
    ("{{ '  x '|trim }}|", "x|"),
    ("{{ s|truncate(8) }}", "the..."),
    ("{{ l|unique|join }}", "312"),
    ("{{ s|wordcount }}", "3"),
    ("{{ l[0] }} {{ l[-1] }} {{ s[:3] }} {{ d['a'] }} {{ rows[0].k }}", "3 1 the 2 x"),
    ("{{ l[9] is defined }} {{ d.zz is defined }} {{ d.zz.y is defined }}", "false false false"),
    ("{{ 7 // 2 }} {{ 7 % 2 }} {{ 7 / 2 }} {{ 2 * 3 }} {{ 1 + 2 }} {{ -n }}", "3 1 3.5 6 3 1.5"),
    ("{% for x in range(2, 6, 2) %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}", "1a2b"),
    ("{% for x in l if x > 1 %}{{ x }}{{ ',' if not loop.last }}{% else %}-{% endfor %}", "3,2"),
]


@pytest.mark.parametrize(("body", "wanted"), WORK)
def test_filters_and_expressions_do_what_they_say(body: str, wanted: str) -> None:
    assert Template(HEAD + body).render(**VALUES) == wanted


def test_every_filter_is_tried() -> None:
    tried = " ".join(body for body, _ in WORK)
    assert [name for name in FILTERS if f"|{name}" not in tried] == []


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        ("{{ s|indent(17) }}", "indent is not between 0 and 16"),
        ("{{ s|indent('x') }}", "indent is not between 0 and 16"),
        ("{{ l|tojson(indent=-1) }}", "indent is not between 0 and 16"),
        ("{{ ['a']|sum }}", "sum adds numbers only"),
        ("{{ l|items }}", "items takes a mapping"),
        ("{% for x in range(1.5) %}{% endfor %}", "range takes whole numbers"),
        ("{{ d.c + 1 }}", "the mapping has no 'c'"),
        ("{{ d.c|upper }}", "the mapping has no 'c'"),
        ("{{ d.c|tojson }}", "the mapping has no 'c'"),
        ("{{ l|upper }}", "a list is no text"),
        ("{{ [1, 'a']|sort|join }}", "not supported between"),
        ("{% if l %}{{ l.x }}{% endif %}", "the list has no 'x'"),
    ],
)
def test_what_a_filter_cannot_do_is_told(body: str, fact: str) -> None:
    with pytest.raises(BadConfig, match=fact):
        Template(HEAD + body, origin="a.md").render(**VALUES)
