"""Facts and rules, in both forms, and what is said with the answers."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.reasoning.rules.deducing import deduce
from pepperpy_capabilities.reasoning.rules.showing import drawn, mermaid
from pepperpy_schemas.rules import (
    Atom,
    Calculated,
    Comparison,
    Conditions,
    Rule,
    RulesProblem,
    Value,
)
from tests.capabilities.reasoning.rules.proofs import check_proof, values

TYPED = RulesProblem(
    rules=[
        Rule(
            then=Atom("grandparent", ["?x", "?z"]),
            when=[Atom("parent", ["?x", "?y"]), Atom("parent", ["?y", "?z"])],
            unless=[Atom("stranger", ["?z"])],
            where=[Comparison("?x", "!=", "?z")],
        )
    ],
    facts={"parent": [["ana", "bo"], ["bo", "Cy Ö."], ["bo", "dan"]], "stranger": [["dan"]]},
    query=Conditions(when=[Atom("grandparent", ["?who", "?of"])]),
)


def test_structs_and_text_say_the_same() -> None:
    as_text = RulesProblem(
        rules="grandparent(X, Z) :- parent(X, Y), parent(Y, Z), not stranger(Z), X != Z.",
        facts=TYPED.facts,
        query="grandparent(Who, Of)",
    )
    typed, text = deduce(TYPED), deduce(as_text)
    assert values(typed) == [{"who": "ana", "of": "Cy Ö."}]
    assert values(text) == [{"Who": "ana", "Of": "Cy Ö."}]
    assert typed.answers[0].proof == text.answers[0].proof


def test_words_and_quoted_texts_are_the_same_value() -> None:
    rules = 'likes(ana, "tea"). likes("ana", coffee).'
    assert values(deduce(RulesProblem(rules=rules, query='likes("ana", X)'))) == [
        {"X": "coffee"},
        {"X": "tea"},
    ]


def test_a_text_that_begins_with_a_question_mark_is_written_with_two() -> None:
    query = Conditions(when=[Atom("p", ["??x", "?y"])])
    assert values(deduce(RulesProblem(facts={"p": [["?x", 1]]}, query=query))) == [{"y": 1}]


@pytest.mark.parametrize(
    ("calc", "left", "right", "value"),
    [("+", 7, 2, 9), ("-", 2, 7, -5), ("*", 6, 7, 42), ("/", 7, 2, 3), ("%", 7, 2, 1)],
)
def test_numbers_are_calculated(calc: str, left: int, right: int, value: int) -> None:
    term = Calculated(calc, "?x", right)  # type: ignore[arg-type]
    rule = Rule(then=Atom("q", [term]), when=[Atom("p", ["?x"])])
    problem = RulesProblem(rules=[rule], facts={"p": [[left]]}, query="q(X)")
    assert values(deduce(problem)) == [{"X": value}]


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('@lower("AnA")', ["ana"]),
        ('@upper("aé")', ["AÉ"]),
        ('@length("aé b")', [4]),
        ('@joined("a", 1, b)', ["a1b"]),
        ('@contains("abc", b)', [1]),
        ('@contains("abc", d)', [0]),
        ('@starts("abc", ab)', [1]),
        ('@ends("abc", ab)', [0]),
        ('@words("two  words")', ["two", "words"]),
        ('@number("-12")', [-12]),
        ('@number("twelve")', []),
        ('@number("99999999999")', []),
    ],
)
def test_texts_have_functions(call: str, found: list[object]) -> None:
    answer = deduce(RulesProblem(query=f"X = {call}"))
    assert [one.values["X"] for one in answer.answers] == found


def test_what_is_odd_is_noted() -> None:
    answer = deduce(RulesProblem(rules="p(1). q(X / 0) :- p(X). r :- s(1).", query="p(X)"))
    assert answer.notes == [
        "rule 2 (line 1): (X/0) has no value, so the rule does not apply there",
        "rule 3 (line 1): no fact or rule is about s(1)",
    ]
    assert "no fact or rule is about s(1)" in answer.explanation


@pytest.mark.parametrize(
    ("rules", "query", "meant"),
    [
        ("grandparent(1,2).", "granparent(X, Y)", "grandparent(_,_)"),
        ("go(X) :- X = 1..3.", "gos(X + 1), go(X)", "go(_)"),
        ("p(1,2). p(1,2,3).", "p(1)", "p(_,_)"),
        ("-waltz(1).", "-wltz(1)", "-waltz(_)"),
        ("rain. wet :- rain.", "rainy(1..2)", "rain"),
    ],
)
def test_a_slip_in_a_name_is_told_with_what_was_meant(rules: str, query: str, meant: str) -> None:
    (note,) = deduce(RulesProblem(rules=rules, query=query)).notes
    assert note.endswith(f"; did you mean {meant}?")


def test_nothing_is_noted_of_rules_that_nobody_has_written() -> None:
    rules = "duck(donald). -waltz(X) :- duck(X). -officer(X) :- -waltz(X)."
    assert deduce(RulesProblem(rules=rules, query="-officer(donald)")).notes == []


def test_there_are_no_more_answers_than_asked_for() -> None:
    answer = deduce(RulesProblem(rules="n(1..50).", query="n(X)", most=7, proofs=3))
    assert values(answer) == [{"X": n} for n in range(1, 8)]
    assert answer.more
    assert [bool(one.proof) for one in answer.answers] == [True] * 3 + [False] * 4


def test_a_proof_of_a_thousand_steps_is_cut_and_one_below_it_is_whole() -> None:
    rules = "n(0). n(X+1) :- n(X), X < 3000."
    (long,) = deduce(RulesProblem(rules=rules, query="n(3000)")).answers
    assert long.cut
    assert len(long.proof) <= 1010
    assert not [step for step in long.proof if step.by == "fact"], "what is cut off was not given"
    short = deduce(RulesProblem(rules=rules, query="n(300)"))
    check_proof(short.answers[0], short)
    assert len(short.answers[0].proof) == 601  # a number, and that the one before is small enough


def test_a_proof_tells_what_is_used_twice_once() -> None:
    rules = "d(0). " + " ".join(
        f"d({n + 1}) :- d({n}), e({n}). e({n}) :- d({n})." for n in range(60)
    )
    answer = deduce(RulesProblem(rules=rules, query="d(60)"))
    check_proof(answer.answers[0], answer)
    assert len(answer.answers[0].proof) == 121
    assert "(above)" in drawn(answer.answers[0].proof)


def test_a_proof_is_a_tree_of_lines_and_a_diagram() -> None:
    answer = deduce(TYPED)
    assert drawn(answer.answers[0].proof).split("\n") == [
        'grandparent(ana,"Cy Ö.")   rule 1',
        "├─ parent(ana,bo)   fact",
        '├─ parent(bo,"Cy Ö.")   fact',
        '├─ not stranger("Cy Ö.")   nothing makes it true',
        '└─ ana != "Cy Ö."',
    ]
    diagram = mermaid(answer.answers[0])
    assert diagram.startswith("flowchart TD\n")
    assert 's0["grandparent(ana,#quot;Cy Ö.#quot;)<br/><small>rule 1</small>"]' in diagram
    assert "  s0 --> s4" in diagram


def test_sets_are_counted_and_added_up() -> None:
    rules = "pays(ana, 3). pays(bo, 4). total(N) :- N = #sum { A, P : pays(P, A) }."
    answer = deduce(RulesProblem(rules=rules, query="total(N)"))
    assert values(answer) == [{"N": 7}]
    assert any("#sum" in step.holds for step in answer.answers[0].proof)


def test_the_question_may_be_about_nothing_but_values() -> None:
    assert values(deduce(RulesProblem(query="X = 1..3, X != 2"))) == [{"X": 1}, {"X": 3}]


def rows(tuples: Sequence[tuple[int, ...]]) -> list[list[Value]]:
    return [list(one) for one in tuples]


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16)


@given(EDGES)
@settings(max_examples=40, deadline=None)
def test_what_can_be_reached_is_what_a_walk_reaches_and_each_proof_is_one(
    edges: list[tuple[int, int]],
) -> None:
    rules = "path(X, Y) :- edge(X, Y). path(X, Z) :- path(X, Y), path(Y, Z)."
    problem = RulesProblem(rules=rules, facts={"edge": rows(edges)}, query="path(X, Y)", proofs=100)
    answer = deduce(problem)
    assert {tuple(one.values.values()) for one in answer.answers} == _reached(edges)
    for one in answer.answers:
        check_proof(one, answer, {f"edge({a},{b})" for a, b in edges})
        _check_joins(one.proof)


def _reached(edges: list[tuple[int, int]]) -> set[tuple[int, int]]:
    found = set(edges)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def _check_joins(proof: list) -> None:  # type: ignore[type-arg]
    """Each step follows from its own: a path from an edge, or from two that meet."""
    for step in proof:
        below = [proof[n].holds for n in step.uses]
        if step.rule == 1:
            assert below == [step.holds.replace("path", "edge")]
        elif step.rule == 2:
            (a, b), (c, d) = (one[5:-1].split(",") for one in below)
            assert b == c
            assert step.holds == f"path({a},{d})"


@given(EDGES, st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_what_cannot_be_reached_is_the_rest(edges: list[tuple[int, int]], start: int) -> None:
    rules = (
        "reach(S) :- start(S). reach(Y) :- reach(X), edge(X, Y). "
        "node(0..7). lost(X) :- node(X), not reach(X)."
    )
    facts = {"edge": rows(edges), "start": rows([(start,)])}
    answer = deduce(RulesProblem(rules=rules, facts=facts, query="lost(X)"))
    reached = {b for a, b in _reached(edges) if a == start} | {start}
    assert {one.values["X"] for one in answer.answers} == set(range(8)) - reached


def test_a_quoted_text_keeps_its_spaces_and_a_constant_may_be_a_word() -> None:
    spaced = RulesProblem(rules='p("a  b\tc").', query="p(X)")
    assert values(deduce(spaced)) == [{"X": "a  b\tc"}]
    named = RulesProblem(rules='#const who = ana. likes("ana", bo).', query="likes(who, X)")
    assert values(deduce(named)) == [{"X": "bo"}]
