"""Plans of actions: as short as they are known to be, checked step by step, each step explained."""

import itertools
import time
import warnings
from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.planning.actions.engines import checked
from pepperpy_capabilities.planning.actions.explaining import without_detours
from pepperpy_capabilities.planning.actions.grounding import ground
from pepperpy_capabilities.planning.actions.lifting import lift
from pepperpy_capabilities.planning.actions.planner import ActionPlanner
from pepperpy_capabilities.planning.actions.reading import read_pddl
from pepperpy_capabilities.planning.actions.search import OutOfTime, Search
from pepperpy_capabilities.planning.actions.solving import solve
from pepperpy_capabilities.planning.actions.task import Operator, Task, after, bits, can
from pepperpy_capabilities.planning.actions.writing import Written, as_pddl
from pepperpy_schemas.action_plans import (
    OWN,
    ActionPlan,
    ActionProblem,
    ActionSpec,
    ActionUse,
)
from pepperpy_schemas.errors import BadConfig, BadProblem, NoPlan, TooLong
from tests.capabilities.planning.planning import MOVE, ROOMS, pddl, solved

END = 1e12  # long after the monotonic clock's now


def planned(problem: ActionProblem, end: float = END) -> ActionPlan:
    """Plans here, without a process."""
    given = Written(problem.domain, problem.problem, {})
    written = given if problem.domain else as_pddl(problem)
    return solve(end, written, problem.engine, problem.seconds, problem.optimal)


def said(plan: ActionPlan) -> list[str]:
    return [" ".join([step.action, *step.arguments]) for step in plan.steps]


def task_of(problem: ActionProblem) -> Task:
    return ground(lift(read_pddl(problem.domain, problem.problem)), {})


# The least numbers of steps that are published for these problems.
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("blocks-sussman", 6),
        ("blocks-4-0", 6),
        ("blocks-4-1", 10),
        ("blocks-4-2", 6),
        ("blocks-5-0", 12),
        ("blocks-6-2", 20),
        ("gripper-1", 11),
        ("logistics-4-0", 20),
    ],
)
def test_public_problems_are_solved_in_as_few_steps_as_is_known(name: str, steps: int) -> None:
    problem = pddl(name)
    plan = planned(problem)
    assert (len(plan.steps), plan.cost, plan.optimal) == (steps, steps, True)
    task, state = task_of(problem), task_of(problem).init
    by_name = {(one.name, *one.arguments): one for one in task.operators}
    for step in plan.steps:
        operator = by_name[step.action, *step.arguments]
        assert can(state, operator)
        state = after(state, operator)
    assert state & bits(task.goal) == bits(task.goal)


def test_each_step_says_which_later_step_or_goal_it_serves() -> None:
    plan = planned(pddl("blocks-sussman"))
    assert said(plan) == [
        "unstack c a",
        "put-down c",
        "pick-up b",
        "stack b c",
        "pick-up a",
        "stack a b",
    ]
    assert ActionUse("clear a", 5) in plan.steps[0].serves
    assert ActionUse("on a b", 0) in plan.steps[5].serves
    assert "6. stack a b: on a b for the goal" in plan.explanation
    assert all(step.serves for step in plan.steps)


def test_the_first_plan_is_given_where_the_cheapest_is_not_asked_for() -> None:
    plan = planned(pddl("blocks-6-2", optimal=False))
    assert len(plan.steps) >= 20
    assert not plan.optimal
    assert "there may be a cheaper one" in plan.explanation


def test_a_problem_in_json_keeps_its_names() -> None:
    plan = solved(ActionPlanner(), ROOMS)
    assert said(plan) == ["move Hall Küche", "move Küche Garden"]
    assert plan.steps[1].serves == [ActionUse("at Garden", 0)]


def test_a_goal_that_holds_already_needs_nothing() -> None:
    plan = planned(ActionProblem(objects={"x": "object"}, actions=[WAIT], init=["a"], goal=["a"]))
    assert plan.steps == []
    assert plan.optimal
    assert "already" in plan.explanation


WAIT = ActionSpec(name="wait", then=["b"])


def test_dear_actions_are_avoided_by_cheap_ones() -> None:
    fly = ActionSpec(
        name="fly",
        parameters={"to": "room"},
        when=["not at to"],
        then=["at to"],
        cost=5,
    )
    problem = ActionProblem(
        types=ROOMS.types,
        objects=ROOMS.objects,
        actions=[fly, MOVE],
        init=ROOMS.init,
        goal=ROOMS.goal,
    )
    plan = planned(problem)
    assert (said(plan)[-1], plan.cost) == ("move Küche Garden", 2)


def test_what_costs_nothing_is_planned_too() -> None:
    free = ActionSpec(name="wait", then=["b"], cost=0)
    plan = planned(ActionProblem(actions=[free], init=[], goal=["b"]))
    assert (plan.cost, plan.optimal, len(plan.steps)) == (0, True, 1)


def test_actions_may_name_objects_and_compare_them() -> None:
    swap = ActionSpec(
        name="swap",
        parameters={"x": "object", "y": "object"},
        when=["not x = y", "x = first", "held x"],
        then=["not held x", "held y"],
    )
    problem = ActionProblem(
        objects={"first": "object", "second": "object"},
        actions=[swap],
        init=["held first"],
        goal=["held second", "not held first"],
    )
    plan = planned(problem)
    assert said(plan) == ["swap first second"]
    assert ActionUse("not held first", 0) in plan.steps[0].serves


RICH = """(define (domain rich)
 (:requirements :adl :typing :action-costs)
 (:types lamp place - object)
 (:predicates (on ?l - lamp) (near ?l - lamp ?p - place) (at ?p - place) (dark) (broken ?l - lamp))
 (:functions (total-cost) - number (far ?a ?b - place) - number)
 (:action go :parameters (?a ?b - place) :precondition (and (at ?a) (not (= ?a ?b)))
  :effect (and (not (at ?a)) (at ?b) (increase (total-cost) (far ?a ?b))))
 (:action press :parameters (?l - lamp ?p - place)
  :precondition (and (at ?p) (or (near ?l ?p) (exists (?m - lamp) (and (on ?m) (near ?m ?p)))))
  :effect (and (when (not (broken ?l)) (on ?l)) (increase (total-cost) 1)))
 (:action all-off :parameters () :precondition (forall (?l - lamp) (on ?l))
  :effect (and (forall (?l - lamp) (not (on ?l))) (dark) (increase (total-cost) 1))))"""
RICH_PROBLEM = """(define (problem p) (:domain rich) (:objects red blue - lamp hall attic - place)
 (:init (at hall) (near red hall) (near blue attic) (= (total-cost) 0)
  (= (far hall attic) 7) (= (far attic hall) 7) (= (far hall hall) 0) (= (far attic attic) 0))
 (:goal (and (dark) (not (on red)))) (:metric minimize (total-cost)))"""


def test_quantifiers_alternatives_conditional_effects_and_costs_of_pddl_are_planned_with() -> None:
    plan = planned(ActionProblem(domain=RICH, problem=RICH_PROBLEM))
    # With the red lamp on, the blue one can be pressed from the hall.
    assert said(plan) == ["press red hall", "press blue hall", "all-off"]
    assert (plan.cost, plan.optimal) == (3, True)


def test_a_type_and_a_predicate_may_have_the_same_name() -> None:
    domain = """(define (domain d) (:requirements :typing) (:types truck)
     (:predicates (truck ?t - truck))
     (:action see :parameters (?t - truck) :precondition () :effect (truck ?t)))"""
    problem = "(define (problem p) (:domain d) (:objects red - truck) (:init) (:goal (truck red)))"
    assert said(planned(ActionProblem(domain=domain, problem=problem))) == ["see red"]


def test_a_goal_that_nothing_makes_true_is_named() -> None:
    problem = ActionProblem(
        objects=ROOMS.objects,
        types=ROOMS.types,
        actions=[MOVE],
        init=["at Garden", "door Hall Küche"],
        goal=["at Hall"],
    )
    with pytest.raises(NoPlan, match="makes 'at Hall' true") as raised:
        planned(problem)
    assert raised.value.context == {"facts": ["at Hall"]}


def test_that_no_state_meets_the_goal_is_proved_by_looking_at_all() -> None:
    problem = ActionProblem(
        objects=ROOMS.objects,
        types=ROOMS.types,
        actions=[MOVE],
        init=ROOMS.init,
        goal=["at Hall", "at Garden"],
    )
    with pytest.raises(NoPlan, match="no state that can be reached") as raised:
        planned(problem)
    assert raised.value.context == {"states": 2}


def test_a_goal_against_what_never_changes_has_no_plan() -> None:
    problem = ActionProblem(
        objects=ROOMS.objects,
        types=ROOMS.types,
        actions=[MOVE],
        init=ROOMS.init,
        goal=["not door Hall Küche"],
    )
    with pytest.raises(NoPlan, match="never changes"):
        planned(problem)


def test_time_that_is_over_is_no_proof() -> None:
    with pytest.raises(TooLong, match="whether there is one is not known"):
        planned(pddl("logistics-4-0"), end=0.0)


def test_a_plan_is_given_when_there_is_no_time_to_prove_that_it_is_the_cheapest() -> None:
    task, asked = task_of(pddl("blocks-6-2")), itertools.count()
    search = Search(task, lambda: next(asked) > 200)
    assert search.first().plan
    with pytest.raises(OutOfTime):
        search.cheapest()


@pytest.mark.parametrize("engine", ["none", "sequential_plan_validator"])
def test_an_engine_that_plans_nothing_here_is_named_with_the_ones_that_do(engine: str) -> None:
    with pytest.raises(BadConfig, match=f"no engine '{engine}'") as raised:
        planned(pddl("blocks-4-0", engine=engine))
    assert raised.value.context["field"] == "engine"


@pytest.mark.filterwarnings("ignore:Pyperplan does not support timeout")
def test_an_engine_of_peoples_choice_plans_and_its_plan_is_checked() -> None:
    plan = planned(pddl("blocks-4-1", engine="pyperplan-opt"), time.monotonic() + 60)
    assert (plan.cost, plan.optimal, plan.engine) == (10, True, "pyperplan-opt")
    assert all(step.serves for step in plan.steps)
    rooms = msgspec.structs.replace(ROOMS, engine="pyperplan")
    assert said(planned(rooms, time.monotonic() + 60))[-1] == "move Küche Garden"


def test_an_engine_that_cannot_plan_such_problems_is_named() -> None:
    dear = msgspec.structs.replace(MOVE, cost=2)
    problem = msgspec.structs.replace(ROOMS, actions=[dear], engine="pyperplan")
    with pytest.raises(BadProblem, match="pyperplan cannot plan such problems"):
        planned(problem)


def test_that_an_engine_finds_none_is_no_proof_unless_it_says_so() -> None:
    goal = ["at Hall", "at Garden"]
    problem = msgspec.structs.replace(ROOMS, goal=goal, engine="pyperplan-opt")
    with warnings.catch_warnings(action="ignore"), pytest.raises(TooLong, match="proved nothing"):
        planned(problem, time.monotonic() + 60)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([("put-down", "a")], "step 1 of x's plan cannot be done"),
        ([("pick-up", "e")], "step 1 of x's plan cannot be done"),
        ([("pick-up", "a")], "does not reach the goal"),
    ],
)
def test_a_plan_of_an_engine_that_is_none_is_not_given(
    steps: list[tuple[str, ...]], told: str
) -> None:
    with pytest.raises(RuntimeError, match=told):
        checked(task_of(pddl("blocks-4-0")), steps, "x")


def test_costs_are_added_and_must_be_whole() -> None:
    far = RICH.replace("(far ?a ?b))))", "(+ (far ?a ?b) 1))))").replace("(near ?m ?p)", "(dark)")
    plan = planned(ActionProblem(domain=far, problem=RICH_PROBLEM))
    assert (said(plan)[1], plan.cost) == ("go hall attic", 11)
    half = RICH_PROBLEM.replace("hall attic) 7", "hall attic) 7.5")
    with pytest.raises(BadProblem, match="must be whole"):
        planned(ActionProblem(domain=RICH, problem=half))


def test_a_goal_that_contradicts_itself_has_no_plan() -> None:
    domain = "(define (domain d) (:predicates (a)) (:action go :parameters () :effect (a)))"
    problem = "(define (problem p) (:domain d) (:init) (:goal (and (a) (not (= x x)))))"
    problem = problem.replace("(:init)", "(:objects x) (:init)")
    with pytest.raises((NoPlan, BadProblem)):
        planned(ActionProblem(domain=domain, problem=problem))


def test_detours_of_a_plan_are_left_out() -> None:
    def move(start: int, to: int) -> Operator:
        return Operator(f"{start}{to}", (), 1, (start,), (to,), (start,))

    task = Task(("a", "b", "c"), 1, (2,), (move(0, 1), move(1, 0), move(1, 2)))
    there, back, on = task.operators
    assert without_detours(task, [there, back, there, on]) == [there, on]


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Small tasks of any kind."""
    facts = st.integers(0, 4)
    some = st.lists(facts, max_size=2, unique=True).map(tuple)
    operators = []
    for number in range(draw(st.integers(1, 6))):
        adds, deletes = draw(some), draw(some)
        kept = tuple(one for one in deletes if one not in adds)
        cost = draw(st.integers(0, 3))
        operators.append(Operator(str(number), (), cost, draw(some), adds, kept))
    goal = draw(st.lists(facts, min_size=1, max_size=3, unique=True).map(tuple))
    return Task(tuple("abcde"), draw(st.integers(0, 31)), goal, tuple(operators))


def least_cost(task: Task) -> int | None:
    """The cost of the cheapest plan, by trying all (Bellman and Ford)."""
    costs, waiting = {task.init: 0}, deque([task.init])
    while waiting:
        state = waiting.popleft()
        for one in task.operators:
            if can(state, one):
                then, cost = after(state, one), costs[state] + one.cost
                if cost < costs.get(then, 10**9):
                    costs[then] = cost
                    waiting.append(then)
    goal = bits(task.goal)
    return min((cost for state, cost in costs.items() if state & goal == goal), default=None)


@given(tasks())
@settings(max_examples=200, deadline=None)
def test_what_is_found_is_what_trying_all_finds(task: Task) -> None:
    least = least_cost(task)
    first = Search(task, lambda: False).first().plan
    assert (first is None) == (least is None)
    cheapest = Search(task, lambda: False).cheapest().plan
    assert (cheapest is None) == (least is None)
    for plan in (first, cheapest):
        state = task.init
        for number in plan or ():
            assert can(state, task.operators[number])
            state = after(state, task.operators[number])
        assert plan is None or state & bits(task.goal) == bits(task.goal)
    if cheapest is not None:
        assert sum(task.operators[number].cost for number in cheapest) == least


UNUSABLE = [
    pddl("blocks-4-0").domain.replace("(ontable ?x) (clear", "(ontable ?x - table) (clear"),
    pddl("blocks-4-0").domain.replace("(holding ?x))\n", "(held ?x))\n", 1),
    "(" * 5000 + ")" * 5000,
    "(define (domain d) (:requirements :durative-actions) (:predicates (a) (b)) "
    "(:durative-action go :parameters () :duration (= ?duration 3) "
    ":condition (at start (a)) :effect (at end (b))))",
    "(define (domain d) (:predicates (a)) (:functions (n)) "
    "(:action go :parameters () :precondition () :effect (increase (n) 1)))",
]


@pytest.mark.parametrize(
    ("domain", "problem", "message", "field", "line"),
    [
        ("(define (domain d)\n(:predicates (a))\n", "(x)", "never closed", "domain", 1),
        ("(define (domain d)\n(:predicates (a))))", "(x)", "closes nothing", "domain", 2),
        ("(define (domain d)\n(:preds (a)))", "(define (problem p))", "line 2", "domain", 2),
        (UNUSABLE[0], pddl("blocks-4-0").problem, "parameter's type: table", "domain", 3),
        (UNUSABLE[1], pddl("blocks-4-0").problem, r"\(holding \?x\)", "domain", 6),
        (
            pddl("blocks-4-0").domain,
            pddl("blocks-4-0").problem.replace("(ON B A)", "(ON B E)"),
            "e",
            "problem",
            4,
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    domain: str, problem: str, message: str, field: str, line: int
) -> None:
    with pytest.raises(BadProblem, match=message) as raised:
        planned(ActionProblem(domain=domain, problem=problem))
    assert raised.value.context == {"field": field, "line": line}


@pytest.mark.parametrize("domain", UNUSABLE)
def test_what_cannot_be_planned_with_is_refused(domain: str) -> None:
    problem = "(define (problem p) (:domain d) (:init) (:goal (and)))"
    given = pddl("blocks-4-0").problem if "BLOCKS" in domain else problem
    with pytest.raises(BadProblem):
        planned(ActionProblem(domain=domain, problem=given))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"actions": []}, "actions"),
        ({"goal": []}, "goal"),
        ({"types": {"room": "place"}}, "types.room"),
        ({"types": {"room": "place", "place": "room"}}, "types.room"),
        ({"objects": {"Hall": "rome"}}, "objects.Hall"),
        ({"init": ["at"]}, "init[0]"),
        ({"init": ["at Cellar"]}, "init[0]"),
        ({"init": ["not at Hall"]}, "init[0]"),
        ({"init": [" "]}, "init[0]"),
        ({"goal": ["at Hall Hall"]}, "goal[0]"),
        ({"goal": ["not"]}, "goal[0]"),
        ({"actions": [ActionSpec(name="a b", then=["at Hall"])]}, "actions[0].name"),
        ({"actions": [ActionSpec(name="a", then=[])]}, "actions[0].then"),
        ({"actions": [ActionSpec(name="a", then=["Hall = Hall"])]}, "actions[0].then"),
        ({"domain": "(define)"}, "problem"),
        ({"problem": "(define)"}, "domain"),
        ({"domain": "(define)", "problem": "(define)"}, "domain"),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, object], field: str) -> None:
    values = {name: getattr(ROOMS, name) for name in ROOMS.__struct_fields__} | changed
    with pytest.raises(BadProblem) as raised:
        solved(ActionPlanner(), ActionProblem(**values))
    assert raised.value.context["field"] == field


def test_the_own_engine_is_the_default() -> None:
    assert pddl("blocks-4-0").engine == OWN
