"""What is wrong with rules is said with the rule's number, its place and its text."""

from pathlib import Path

import pytest

from pepperpy_capabilities.reasoning.rules.deducing import deduce
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import BadPayload, BadRule, Contradiction, UnsafeRule
from pepperpy_schemas.rules import Atom, Conditions, Rule, RulesProblem

RULES = "a(1).\nb(X) :- a(X).\n"


def problem(rules: str, query: str = "a(X)") -> RulesProblem:
    return RulesProblem(rules=rules, query=query)


@pytest.mark.parametrize(
    ("rules", "variables"),
    [
        ("p(X) :- not a(X).", ["X"]),
        ("p(X, Y) :- a(X), X < Y.", ["Y"]),
        ("p(X, Y).", ["X", "Y"]),
        (":- not a(X).", ["X"]),
        ("p(N) :- N = X + 1, not a(X).", ["N", "X"]),
    ],
)
def test_an_unsafe_rule_is_named_with_its_variables(rules: str, variables: list[str]) -> None:
    with pytest.raises(UnsafeRule) as caught:
        deduce(problem(RULES + rules))
    context = caught.value.context
    assert context == {
        "rule": 3,
        "text": rules,
        "field": "rules",
        "line": 3,
        "variables": variables,
    }
    assert rules in caught.value.message
    assert "rule 3 (line 3)" in caught.value.message


def test_an_unsafe_query_is_named() -> None:
    with pytest.raises(UnsafeRule, match="the query: nothing says what X can be: not a") as caught:
        deduce(problem(RULES, "not a(X)"))
    assert caught.value.context["field"] == "query"


@pytest.mark.parametrize(
    ("rules", "line", "said"),
    [
        ("p(1", 3, "syntax error"),
        ("\n\np(1) q.", 5, "syntax error"),
        ("p :- @system(1) = X.", 3, "calls @system"),
        ("p :- @open(1) = X.", 3, "calls @open"),
        ("p :- @__class__(1) = X.", 3, "@"),
        ("p(X) :- X = @lower(a, b).", 3, "gives @lower 2 values"),
        ("p(X) :- X = @lower().", 3, "gives @lower 0 values"),
        ("größe(1).", 3, "'ö' can only be in quoted texts"),
        ("%* über\n uns *% p(ä).", 4, "'ä' can only be in quoted texts"),
        ('p("é', 3, "'é' can only be in quoted texts"),
        ("__h(1).", 3, "__h"),
        ("p(__x).", 3, "__x"),
        ("p(__x(1)).", 3, "__x"),
        ("-__answer :- a(1).", 3, "__answer"),
        ("&sum { x } > 3.", 3, "theory"),
        (":~ a(X). [X]", 3, "no best answer"),
        ("#minimize { X : a(X) }.", 3, "no best answer"),
        ("#external p.", 3, "External"),
        ("#theory t { }.", 3, "TheoryDefinition"),
        ("#program other.", 3, "no parts"),
        ("#count { X : a(X) } > 1.", 3, "aggregate"),
        ("not p.", 3, "nothing that could be true"),
        ("X = 1 :- a(X).", 3, "nothing that could be true"),
        ("{ not p } :- a(1).", 3, "no plain atom"),
        ("p(99999999999).", 3, "larger than"),
    ],
)
def test_what_cannot_be_a_rule_is_named(rules: str, line: int, said: str) -> None:
    with pytest.raises(BadRule) as caught:
        deduce(problem(RULES + rules))
    assert said in caught.value.message
    assert caught.value.context["line"] == line
    assert caught.value.context["field"] == "rules"


@pytest.mark.parametrize(
    "attack",
    [
        '#include "{file}".',
        '%* not a comment for us *% #include "{file}".',
        '#INCLUDE "{file}".',
        "#script (lua) os.execute('touch {mark}') #end.",
        "#script (python) import os; os.mknod('{mark}') #end.",
        '% "\n#script (python) import os; os.mknod("{mark}") #end.',
        "# include <incmode>.",
        "p(@eval(1)).",
        'p(@__import__("os")).',
        '&shell { "touch {mark}" }.',
    ],
)
def test_rules_open_no_files_and_run_no_programs(attack: str, tmp_path: Path) -> None:
    secret, mark = tmp_path / "secret.lp", tmp_path / "mark"
    secret.write_text("a(secret).")
    text = attack.replace("{file}", str(secret)).replace("{mark}", str(mark))
    with pytest.raises(BadRule):
        deduce(problem(RULES + text))
    with pytest.raises(BadRule):
        deduce(problem(RULES, f"a(X). {text}"))
    with pytest.raises(BadRule):
        deduce(RulesProblem(rules=[RULES, text], query="a(X)"))
    assert not mark.exists()


@pytest.mark.parametrize("query", ["a(X). b(X)", "p :- a(X)", "", ".", "a(X), ", "a(X) :- b", "%"])
def test_a_query_is_conditions_and_nothing_else(query: str) -> None:
    with pytest.raises(BadRule) as caught:
        deduce(problem(RULES, query))
    assert caught.value.context["field"] == "query"


@pytest.mark.parametrize(
    "query", ["a(X)", "a(X).", "?- a(X).", "a(X)?", "a(X) % what else", " a(X) "]
)
def test_a_query_is_taken_as_it_is_often_written(query: str) -> None:
    assert [one.values for one in deduce(problem(RULES, query)).answers] == [{"X": 1}]


def test_a_rule_of_a_list_is_named_by_its_place_in_the_list() -> None:
    rules: list[str | Rule] = ["a(1).", Rule(then=Atom("p", ["?x"]), unless=[Atom("a", ["?x"])])]
    with pytest.raises(UnsafeRule) as caught:
        deduce(RulesProblem(rules=rules, query="a(X)"))
    assert caught.value.context["field"] == "rules[1]"
    with pytest.raises(BadRule) as missing:
        deduce(RulesProblem(rules=["a(1)", "b(2)."], query="a(X)"))
    assert missing.value.context["field"] == "rules[0]"


def test_a_struct_has_variables_with_names_only() -> None:
    query = Conditions(when=[Atom("a", ["? x"])])
    with pytest.raises(BadRule, match="is no variable"):
        deduce(RulesProblem(rules=RULES, query=query))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"rules": "a.", "query": ""}', "query"),
        ('{"rules": "a."}', "query"),
        ('{"query": "a", "facts": {"Big": []}}', "facts"),
        ('{"query": "a", "facts": {"p(1). q": []}}', "facts"),
        ('{"query": "a", "facts": {"p": [[1.5]]}}', "facts"),
        ('{"query": "a", "facts": {"p": [[99999999999]]}}', "facts"),
        ('{"query": "a", "facts": {"p": [[true]]}}', "facts"),
        ('{"query": {"when": [{"name": "a). b"}]}}', "query"),
        ('{"query": "a", "seconds": 0}', "seconds"),
        ('{"query": "a", "seconds": 1e9}', "seconds"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused_at_the_door(body: str, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        decode(body.encode(), RulesProblem)
    assert path in str(caught.value)


def test_names_and_texts_of_structs_are_no_rules() -> None:
    text = '"). b(1). c("'
    answer = deduce(
        RulesProblem(
            rules=[Rule(then=Atom("a", [text]))], facts={"d": [[text]]}, query="a(X), d(X)"
        )
    )
    assert [one.values for one in answer.answers] == [{"X": text}]
    with pytest.raises(BadRule):
        deduce(RulesProblem(facts={"d": [["a\0b"]]}, query="d(X)"))


def test_a_contradiction_names_the_rules_and_the_values_that_break_them() -> None:
    rules = "parent(ana, ana). parent(bo, cy).\n:- parent(X, X)."
    with pytest.raises(Contradiction) as caught:
        deduce(problem(rules, "parent(X, Y)"))
    assert [one["rule"] for one in caught.value.context["rules"]] == [3]
    assert "rule 3 (line 2): :- parent(X, X)." in caught.value.message
    assert "parent(ana,ana)" in caught.value.message


def test_only_the_rules_that_exclude_each_other_are_named() -> None:
    rules = """
    { on } . :- on. :- not on. :- off. { off }.
    :- on, off.
    """
    with pytest.raises(Contradiction) as caught:
        deduce(problem(rules, "on"))
    assert [one["text"] for one in caught.value.context["rules"]] == [":- on.", ":- not on."]


def test_the_contrary_of_what_is_true_contradicts_it() -> None:
    rules = "bird(opus). penguin(opus). flies(X) :- bird(X). -flies(X) :- penguin(X)."
    with pytest.raises(Contradiction) as caught:
        deduce(problem(rules, "bird(X)"))
    assert "flies(opus)" in caught.value.message
    assert "-flies(opus)" in caught.value.message
    with pytest.raises(Contradiction):
        deduce(RulesProblem(facts={"p": [[1]], "-p": [[1]]}, query="p(X)"))


def test_what_depends_on_its_own_absence_is_named() -> None:
    rules = "q. barber.\nshaves(barber, X) :- man(X), not shaves(X, X).\nman(barber)."
    with pytest.raises(Contradiction) as caught:
        deduce(problem(rules, "q"))
    (circle,) = caught.value.context["rules"]
    assert circle["line"] == 2


def test_a_choice_that_cannot_be_made_is_named() -> None:
    with pytest.raises(Contradiction) as caught:
        deduce(problem("n(1..2). { has(N, red; N, blue) } = 3 :- n(N).", "n(X)"))
    assert "{ has(N, red; N, blue) } = 3" in caught.value.message


@pytest.mark.parametrize("number", ["2147483648", "9" * 5000, "0xFFFFFFFF", "0b1" + "0" * 31])
def test_a_number_that_is_too_large_is_refused_however_it_is_written(number: str) -> None:
    with pytest.raises(BadRule, match="is larger than"):
        deduce(problem(f"q. p({number}).", "p(X)"))


def test_a_constant_calls_no_function_that_is_not_there() -> None:
    with pytest.raises(BadRule, match="calls @open"):
        deduce(problem('#const n = @open("x"). p(n).', "p(X)"))
