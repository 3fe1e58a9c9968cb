"""Textbook problems, whose answers are known."""

import pytest

from pepperpy_capabilities.reasoning.rules.deducing import deduce
from pepperpy_schemas.errors import Contradiction
from pepperpy_schemas.rules import Deduced, RulesProblem
from tests.capabilities.reasoning.rules.proofs import check_proof, values


def ask(rules: str, query: str, **more: object) -> Deduced:
    answer = deduce(RulesProblem(rules=rules, query=query, **more))  # type: ignore[arg-type]
    for one in answer.answers:
        check_proof(one, answer)
    return answer


# Genesis 11, as in Sterling and Shapiro, The Art of Prolog, program 1.1.
BIBLE = """
father(terach, abraham). father(terach, nachor). father(terach, haran).
father(abraham, isaac). father(haran, lot). father(haran, milcah). father(haran, yiscah).
mother(sarah, isaac).
male(terach). male(abraham). male(nachor). male(haran). male(isaac). male(lot).
female(sarah). female(milcah). female(yiscah).
parent(X, Y) :- father(X, Y).
parent(X, Y) :- mother(X, Y).
son(X, Y) :- parent(Y, X), male(X).
daughter(X, Y) :- parent(Y, X), female(X).
grandfather(X, Z) :- father(X, Y), parent(Y, Z).
ancestor(X, Y) :- parent(X, Y).
ancestor(X, Z) :- parent(X, Y), ancestor(Y, Z).
brother(X, Y) :- son(X, P), parent(P, Y), X != Y.
"""


def test_the_biblical_family() -> None:
    assert values(ask(BIBLE, "son(X, haran)")) == [{"X": "lot"}]
    assert values(ask(BIBLE, "daughter(X, haran)")) == [{"X": "milcah"}, {"X": "yiscah"}]
    assert values(ask(BIBLE, "grandfather(terach, X)")) == [
        {"X": "isaac"},
        {"X": "lot"},
        {"X": "milcah"},
        {"X": "yiscah"},
    ]
    assert len(values(ask(BIBLE, "ancestor(terach, X)", proofs=20))) == 7
    assert values(ask(BIBLE, "brother(X, abraham)")) == [{"X": "haran"}, {"X": "nachor"}]


def test_a_proof_says_which_rules_lead_where() -> None:
    (found,) = ask(BIBLE, "grandfather(terach, isaac)").answers
    assert [(one.holds, one.by, one.rule, one.uses) for one in found.proof] == [
        ("grandfather(terach,isaac)", "rule", 22, [1, 2]),
        ("father(terach,abraham)", "fact", 1, []),
        ("parent(abraham,isaac)", "rule", 18, [3]),
        ("father(abraham,isaac)", "fact", 4, []),
    ]


# Bancilhon and Ramakrishnan, An amateur's introduction to recursive query processing, 1986.
SAME_GENERATION = """
sg(X, X) :- person(X).
sg(X, Y) :- up(X, A), sg(A, B), down(B, Y).
down(X, Y) :- up(Y, X).
person(X) :- up(X, _).
person(X) :- up(_, X).
up(d, b). up(e, b). up(f, c). up(g, c). up(b, a). up(c, a). up(h, d).
"""


def test_the_same_generation() -> None:
    found = values(ask(SAME_GENERATION, "sg(d, X)"))
    assert found == [{"X": "d"}, {"X": "e"}, {"X": "f"}, {"X": "g"}]
    assert values(ask(SAME_GENERATION, "sg(h, X)")) == [{"X": "h"}]


TWEETY = """
bird(X) :- penguin(X).
flies(X) :- bird(X), not abnormal(X).
abnormal(X) :- penguin(X).
bird(tweety).
"""


def test_tweety_flies_until_it_is_known_to_be_a_penguin() -> None:
    answer = ask(TWEETY, "flies(tweety)")
    assert values(answer) == [{}]
    absent = [one.holds for one in answer.answers[0].proof if one.by == "absent"]
    assert absent == ["not abnormal(tweety)"]
    answer = ask(TWEETY + "penguin(tweety).", "flies(tweety)")
    assert answer.answers == []
    assert answer.explanation.startswith("No")


def test_nixon_is_a_pacifist_in_one_world_and_none_in_the_other() -> None:
    rules = """
    quaker(nixon). republican(nixon).
    pacifist(X) :- quaker(X), not -pacifist(X).
    -pacifist(X) :- republican(X), not pacifist(X).
    """
    assert values(ask(rules, "pacifist(nixon)", worlds="every")) == []
    assert values(ask(rules, "pacifist(nixon)", worlds="some")) == [{}]
    assert values(ask(rules, "-pacifist(nixon)", worlds="some")) == [{}]
    assert values(ask(rules, "quaker(nixon)", worlds="every")) == [{}]


# Life International, 17 December 1962; its answer: the Norwegian drinks water, the Japanese owns
# the zebra.
ZEBRA = """
house(1..5).
kind(nation, (english;spanish;ukrainian;norwegian;japanese)).
kind(colour, (red;green;ivory;yellow;blue)).
kind(pet, (dog;snail;fox;horse;zebra)).
kind(drink, (coffee;tea;milk;juice;water)).
kind(smoke, (oldgold;kools;chesterfield;luckystrike;parliament)).
{ at(V, H) : house(H) } = 1 :- kind(_, V).
:- kind(K, V), kind(K, W), V < W, at(V, H), at(W, H).
next(H, H+1) :- house(H), house(H+1).
next(H+1, H) :- next(H, H+1).
together(english, red). together(spanish, dog). together(coffee, green).
together(ukrainian, tea). together(oldgold, snail). together(kools, yellow).
together(luckystrike, juice). together(japanese, parliament).
:- together(V, W), at(V, H), not at(W, H).
:- at(ivory, H), not at(green, H+1).
:- not at(milk, 3).
:- not at(norwegian, 1).
beside(chesterfield, fox). beside(kools, horse). beside(norwegian, blue).
near(V, W) :- beside(V, W), at(V, H), at(W, I), next(H, I).
:- beside(V, W), not near(V, W).
"""


def test_the_zebra_puzzle_has_its_one_answer() -> None:
    query = "at(zebra, H), at(Owner, H), kind(nation, Owner), at(water, I), at(Drinker, I), "
    query += "kind(nation, Drinker)"
    answer = ask(ZEBRA, query, worlds="every")
    assert values(answer) == [{"H": 5, "Owner": "japanese", "I": 1, "Drinker": "norwegian"}]
    assert answer.worlds == 1, "there would be another world"


AUSTRALIA = """
touch(wa,nt). touch(wa,sa). touch(nt,sa). touch(nt,q). touch(sa,q). touch(sa,nsw). touch(sa,v).
touch(q,nsw). touch(nsw,v).
state(wa). state(nt). state(sa). state(q). state(nsw). state(v). state(t).
{ has(S, C) : colour(C) } = 1 :- state(S).
:- touch(S, T), has(S, C), has(T, C).
"""
ALL = "has(wa,A), has(nt,B), has(sa,C), has(q,D), has(nsw,E), has(v,F), has(t,G)"


def test_australia_has_eighteen_colourings_with_three_colours() -> None:
    # Russell and Norvig, Artificial Intelligence, chapter 6: 3! for the mainland times 3.
    three = AUSTRALIA + "colour(red). colour(green). colour(blue)."
    assert len(ask(three, ALL, worlds="some", proofs=18).answers) == 18


def test_two_colours_are_too_few_for_australia() -> None:
    with pytest.raises(Contradiction) as caught:
        ask(AUSTRALIA + "colour(red). colour(green).", ALL, worlds="first")
    texts = [one["text"] for one in caught.value.context["rules"]]
    assert ":- touch(S, T), has(S, C), has(T, C)." in texts
    assert "{ has(S, C) : colour(C) } = 1 :- state(S)." in texts
    assert "touch(" in caught.value.message
    assert "has(" in caught.value.message


# Petersen's graph: an outer and an inner circle of five.
PETERSEN = """
node(0..9).
edge(N, (N+1)\\5) :- N = 0..4.
edge(N+5, ((N+2)\\5)+5) :- N = 0..4.
edge(N, N+5) :- N = 0..4.
{ is(N, 1..colours) } = 1 :- node(N).
:- edge(N, M), is(N, C), is(M, C).
"""


def test_petersens_graph_has_three_colours_and_no_fewer() -> None:
    assert len(values(ask(PETERSEN + "#const colours = 3.", "edge(X, Y)", proofs=15))) == 15
    with pytest.raises(Contradiction):
        ask(PETERSEN + "#const colours = 2.", "node(X)")


def test_the_towers_of_hanoi_take_two_to_the_n_less_one_moves() -> None:
    rules = "moves(0, 0). moves(N+1, 2*M+1) :- moves(N, M), N < 8."
    assert values(ask(rules, "moves(8, M)")) == [{"M": 255}]
