"""Templates from somebody who wants out of them, or the process to hang."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepperpy_agents.templates import Bounds, Template
from pepperpy_schemas.errors import BadConfig, PepperError

HEAD = "---\nvariables: {s: str, l: list, d: dict, n: int}\n---\n"
VALUES: dict[str, Any] = {"s": "abc", "l": [1, 2, 3], "d": {"a": "b"}, "n": 7}

REACHING_OUT = [
    "{{ s.__class__ }}",
    "{{ s['__class__'] }}",
    "{{ s|attr('__class__') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ l.append(4) }}",
    "{{ d.update({'a': 1}) }}",
    "{{ d.items.__self__ }}",
    "{{ d.keys }}",
    "{{ d['keys'] }}",
    "{{ s.format }}",
    "{{ '{0.__class__}'.format(s) }}",
    "{{ '{0.__class__}'|format(s) }}",
    "{{ '%s' % s }}",
    "{{ '%0999999999d' % n }}",
    "{{ s.join }}",
    "{{ range.__init__ }}",
    "{{ range }}",
    "{{ loop }}",
    "{% for x in l %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in l %}{{ loop._undefined }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "{% for x in l %}{{ loop.changed }}{% endfor %}",
    "{% for x in l %}{{ loop(l) }}{% endfor %}",
    "{% for x in l recursive %}{{ loop(l) }}{% endfor %}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ caller }}",
    "{{ varargs }}",
    "{{ cycler('a').next.__globals__ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ lipsum(1000000) }}",
    "{{ namespace(a=1) }}",
    "{% set ns.x = 1 %}",
    "{{ dict(a=1) }}",
    "{{ url_for.__globals__ }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ get_flashed_messages }}",
    "{{ debug }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ __builtins__ }}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'house-style' %}",
    "{% block a %}{% endblock %}",
    "{% macro a() %}{% endmacro %}{{ a.__globals__ }}",
    "{% call s() %}{% endcall %}",
    "{% filter upper %}{% endfilter %}",
    "{% with a=1 %}{% endwith %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% do l.append(1) %}",
    "{% set x %}a{% endset %}{{ x.__class__ }}",
    "{% include s %}",
    "{% include ['a', 'b'] %}",
    "{% include 'a' ignore missing %}",
    "{% include '../../etc/passwd' %}",
    "{% include '/etc/passwd' %}",
    "{{ l|map(attribute='__class__')|list }}",
    "{{ l|map(attribute='__class__')|join }}",
    "{{ l|map('attr', '__class__')|list }}",
    "{{ l|groupby('__class__')|list }}",
    "{{ l|sort(attribute='__class__') }}",
    "{{ l|selectattr('__class__')|list }}",
    "{{ l|map('format')|list }}",
    "{{ l|select('callable')|list }}",
    "{{ l|sum(start=[]) }}",
    "{{ s|xmlattr }}",
    "{{ s|pprint }}",
    "{{ s|filesizeformat }}",
    "{{ s is callable }}",
    "{{ s is sameas(s) }}",
    "{{ range(3)(*l) }}",
    "{{ range(*l) }}",
    "{{ range(**d) }}",
    "{{ l|join(*l) }}",
    "{{ l }}",
    "{{ d }}",
    "{{ l|map('upper') }}",
]

HANGING = [
    "{{ range(10**9)|list }}",
    "{{ range(99999999999999999999)|join }}",
    "{% for x in range(999999999) %}{% endfor %}",
    "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(10000) %}{% for b in range(10000) %}{{ s }}{% endfor %}{% endfor %}",
    "{{ s * 10**9 }}",
    "{{ 'a' * 999999999 }}",
    "{{ l * 999999999 }}",
    "{{ 9**9**9 }}",
    "{{ 10 ** 100000000 }}",
    "{% set x = 999999999999999 %}{{ x * x * x * x }}",
    "{{ s|center(999999999) }}",
    "{{ s|indent(999999999) }}",
    "{{ l|tojson(indent=999999999) }}",
    "{{ s|wordwrap(1, wrapstring=s) }}",
    "{{ 1.5|round(999999999) }}",
    "{{ s|batch(1)|list }}",
    "{{ l|slice(999999999)|list }}",
    "{% set x = s ~ s %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "{% set x = s|replace('', s) %}" + "{% set x = x|replace('a', x) %}" * 20 + "{{ x }}",
    "{% set x = [s, s] %}" + "{% set x = [x, x] %}" * 60 + "{{ x|tojson }}",
    "{% set x = [s, s] %}" + "{% set x = [x, x] %}" * 60 + "{{ x == [x, x] }}",
    "{% set x = {'a': s} %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x|tojson }}",
    "{% set x = s %}" + "{% set x = [x, x, x]|join %}" * 40 + "{{ x }}",
    "{% set x = s %}" + "{% set x = x|tojson|tojson %}" * 40 + "{{ x }}",
    "{% set x = s %}" + "{% set x = x|quoted ~ x|fenced %}" * 40 + "{{ x }}",
    "{% set x = s %}" + "{% set x = 'x\n'|indent(16) ~ x|replace('x', x) %}" * 60 + "{{ x }}",
    "(" * 5000 + "{{ " + "(" * 5000 + "s" + ")" * 5000 + " }}",
    "{{ " + "[" * 3000 + "]" * 3000 + "|tojson }}",
    "{{ " + "not " * 20000 + "s }}",
    "{{ s" + "|upper" * 5000 + " }}",
    "{{ s" + " ~ s" * 20000 + " }}",
    "{% if s %}" * 500 + "{% endif %}" * 500,
    "{% for x in l %}" * 60 + "x" + "{% endfor %}" * 60,
    "x" * 300_000,
]


@pytest.mark.parametrize("fmt", ["text", "markdown", "json"])
@pytest.mark.parametrize("attack", REACHING_OUT)
def test_no_template_reaches_python(attack: str, fmt: Any) -> None:
    # Lists and mappings are JSON's own; there is nothing of Python in them.
    if fmt == "json" and attack in ("{{ l }}", "{{ d }}"):
        return
    with pytest.raises(BadConfig):
        Template(HEAD + attack).render(fmt=fmt, **VALUES)


@pytest.mark.parametrize("attack", HANGING, ids=range(len(HANGING)))
def test_no_template_takes_more_than_it_may(attack: str) -> None:
    bounds = Bounds(seconds=5)
    try:
        text = Template(HEAD + attack, bounds=bounds).render(**VALUES)
    except BadConfig:
        text = ""
    # What is small enough may be written; what is not must end.
    assert len(text) <= bounds.output


@pytest.mark.parametrize(
    ("bounds", "fact"),
    [
        (Bounds(steps=10), "takes more than 10 steps"),
        (Bounds(output=10), "writes more than 10 characters"),
        (Bounds(seconds=0), "takes longer than 0 s"),
        (Bounds(value=10), "a value has more than 10"),
    ],
)
def test_every_bound_is_named(bounds: Bounds, fact: str) -> None:
    body = "{% for x in range(9) %}\n{% set y = s ~ 'longer than ten' %}\n{{ s }}\n{% endfor %}"
    with pytest.raises(BadConfig, match=fact) as refused:
        Template(HEAD + body, origin="a.md", bounds=bounds).render(**VALUES)
    assert str(refused.value).startswith("a.md:")


def test_what_the_caller_gives_cannot_be_reached_or_changed() -> None:
    class Secretive(dict[str, Any]):
        def __html__(self) -> str:
            raise AssertionError("called")

        def __getattr__(self, name: str) -> Any:
            assert name == "model_dump_json", name
            raise AttributeError(name)

    inner = [1]
    given = Secretive(a=inner)
    one = Template("---\nvariables: {d: dict}\n---\n{{ d.a|join }}{{ d.secret is defined }}")
    assert one.render(d=given) == "1false"
    assert given == {"a": [1]}


def test_values_that_are_too_large_or_have_no_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PepperError):
        Template(HEAD + "x").render(**{**VALUES, "l": endless})
    with pytest.raises(PepperError, match="10 at most"):
        Template(HEAD + "x", bounds=Bounds(values=10)).render(**VALUES)


WORDS = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            " ",
            "|",
            ".",
            "[",
            "]",
            "(",
            ")",
            "'",
            '"',
            "~",
            "\n",
        ),
        *("for", "in", "if", "else", "endif", "endfor", "set", "include", "s", "l", "d", "n", "x"),
        *(
            "range",
            "loop",
            "__class__",
            "10**9",
            "join",
            "replace",
            "tojson",
            "map",
            "=",
            "*",
            "is",
        ),
        *("raw", "endraw", "\\", "\x00", "é", "1", ",", ":", "upper", "self", "cycle", "macro"),
    ]
)


@given(st.lists(WORDS, max_size=40).map(" ".join))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_written_is_rendered_or_refused(body: str) -> None:
    try:
        text = Template(HEAD + body).render(**VALUES)
    except PepperError:
        return
    assert "object at 0x" not in text
    assert "<class" not in text
