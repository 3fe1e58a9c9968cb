"""Goals taken apart by methods, checked against topics; nothing runs."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.graphs.plan import make_plan
from pepperpy_capabilities.conformance import PlannerConformance
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.tasks.binding import bind, known, weigh
from pepperpy_capabilities.planning.tasks.changing import adopt, other_methods
from pepperpy_capabilities.planning.tasks.decomposing import MAX_TRIES, decompose
from pepperpy_capabilities.planning.tasks.graphing import rest_graph, whole_graph
from pepperpy_capabilities.planning.tasks.methods import read_methods
from pepperpy_capabilities.planning.tasks.planner import TaskPlanner, _changed, _decomposed
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import BadProblem, NoPlan, PepperError, TooBig, UnknownTopic
from pepperpy_schemas.problems import Problem
from pepperpy_schemas.task_plans import Method, TaskPlan, TaskProblem, TopicShape
from tests.capabilities.planning.task_methods import (
    TEXT,
    TO_MIT,
    TRAVEL,
    method,
    shape,
    step,
)

T = TypeVar("T")
COPY = {"copy": "${input}"}


def planned(problem: TaskProblem) -> TaskPlan:
    async def plan() -> TaskPlan:
        async with Workshop() as workshop:
            return await TaskPlanner().plan(problem, Means(workshop, seconds=30))

    return asyncio.run(plan())


def refused(problem: TaskProblem, error: type[PepperError]) -> PepperError:
    with pytest.raises(error) as caught:
        planned(problem)
    return caught.value


def toward(*methods: Method, given: Any = None, **more: Any) -> TaskProblem:
    return TaskProblem(goal="all", methods=list(methods), input=given, **more)


class TestTaskPlanner(PlannerConformance):
    problem = TO_MIT
    malformed: ClassVar[list[Problem]] = [
        TaskProblem(goal="nothing"),
        toward(method("all", "m", step("a", "all"))),
        toward(method("all", "m", step("a", after=["b"]), step("b", after=["a"]))),
        toward(method("all", "m", step("a", input="${b.result}"))),
        toward(method("all", "m", step("a")), shapes=[TopicShape(topic="b")]),
        toward(method("all", "m", step("a"), when="input.x === 1")),
    ]

    def make(self) -> TaskPlanner:
        return TaskPlanner()


def test_the_journey_of_the_text_book_has_its_plan() -> None:
    plan = planned(TO_MIT)
    assert [(one.topic, plan.graph.nodes[one.name].input) for one in plan.tasks] == [
        ("get_ticket", {"from": "BWI", "to": "Logan"}),
        ("get_taxi", {"at": "UMD"}),
        ("ride", {"from": "UMD", "to": "BWI", "taxi": {"$ref": "get_taxi.result.taxi"}}),
        (
            "pay_driver",
            {"taxi": {"$ref": "get_taxi.result.taxi"}, "fare": {"$ref": "ride.result.fare"}},
        ),
        ("fly", {"ticket": {"$ref": "get_ticket.result.ticket"}}),
        ("get_taxi", {"at": "Logan"}),
        ("ride", {"from": "Logan", "to": "MIT", "taxi": {"$ref": "get_taxi_2.result.taxi"}}),
        (
            "pay_driver",
            {"taxi": {"$ref": "get_taxi_2.result.taxi"}, "fare": {"$ref": "ride_2.result.fare"}},
        ),
    ]
    assert plan.tasks[-1].made_by == ["travel: by_air", "from_airport: by_taxi"]
    runnable = make_plan(plan.graph)
    assert runnable.nodes["fly"].needs == ("get_ticket", "pay_driver")
    assert "fly (fly): by travel: by_air, after pay_driver, get_ticket." in plan.explanation


def test_a_task_without_steps_is_nothing_and_those_around_it_keep_their_order() -> None:
    plan = planned(
        toward(
            method("all", "m", step("a"), step("b", "maybe"), step("c"), ordered=True),
            method("maybe", "no"),
        )
    )
    assert plan.graph.nodes["c"].after == ["a"]


def test_a_large_schema_is_made_ready_once_for_all_tasks_of_its_topic() -> None:
    rules = {f"p{n}": {"type": "string", "pattern": f"^a{n}+$"} for n in range(1500)}
    takes = TopicShape(topic="a", input={"type": "object", "properties": rules})
    many = toward(
        method("all", "m", step("a", input={"p1": "${item}"}, each="${input}")),
        given=["a1"] * 500,
        shapes=[takes],
    )
    assert len(planned(many).tasks) == 500


def test_a_list_makes_a_task_for_each_element() -> None:
    plan = planned(
        toward(
            method(
                "all",
                "m",
                step("get", input="${item}", each="${input.urls}"),
                step("join", input={"pages": "${get.result}", "first": "${get.result[0].title}"}),
            ),
            given={"urls": ["a", "b"]},
        )
    )
    assert [plan.graph.nodes[name].input for name in ("get", "get_2")] == ["a", "b"]
    assert plan.graph.nodes["join"].input == {
        "pages": [{"$ref": "get.result"}, {"$ref": "get_2.result"}],
        "first": {"$ref": "get.result.title"},
    }


def test_results_go_into_methods_and_texts_and_what_looks_like_a_reference_stays_itself() -> None:
    plan = planned(
        toward(
            method(
                "all",
                "m",
                step("a", input={"text": "${input.text}", "n": "n=${input.n}"}),
                step("b", "inner", input={"who": "${a.result.people[0]}", "all": "${a.result}"}),
                output={"mail": "${b.result.sent}"},
            ),
            method(
                "inner",
                "m",
                step("send", input="Dear ${input.who.name}, ${input.all.x}"),
                output={"sent": "${send.result.id}"},
            ),
            given={"text": "a ${b} c", "n": 3},
        )
    )
    assert plan.graph.nodes["a"].input == {"text": "a $${b} c", "n": "n=3"}
    assert plan.graph.nodes["send"].input == "Dear ${a.result.people[0].name}, ${a.result.x}"
    assert plan.graph.output == {"mail": {"$ref": "send.result.id"}}


def test_a_method_whose_part_has_none_that_fits_gives_way_to_the_next() -> None:
    plan = planned(
        toward(
            method("all", "first", step("x"), step("y", "part", input={"n": 1})),
            method("all", "second", step("z")),
            method("part", "large", step("w"), when="input.n > 5"),
        )
    )
    assert [one.made_by for one in plan.tasks] == [["all: second"]]


def test_an_error_says_why_each_method_does_not_fit() -> None:
    error = refused(
        toward(
            method("all", "first", step("y", "part", input={"n": 1})),
            method("all", "second", step("z"), when="input.z"),
            method("part", "large", step("w"), when="input.n > 5"),
        ),
        NoPlan,
    )
    assert error.context["reasons"] == [
        "first: part: large: input.n > 5 does not hold",
        "second: input.z does not hold",
    ]


def test_methods_that_lead_to_themselves_are_named_as_a_cycle() -> None:
    error = refused(
        toward(
            method("all", "m", step("a", "b", input="${input}")),
            method("b", "m", step("a", "all", input="${input}")),
        ),
        BadProblem,
    )
    assert error.context["cycle"] == ["all", "b", "all"]


def test_a_recursion_ends_where_a_method_ends_it() -> None:
    given: Any = None
    for number in range(5):
        given = {"n": number, "rest": given}
    plan = planned(
        toward(
            method("all", "end", when="input == null"),
            method(
                "all",
                "go",
                step("one", input="${input.n}"),
                step("rest", "all", input="${input.rest}"),
            ),
            given=given,
        )
    )
    assert [plan.graph.nodes[one.name].input for one in plan.tasks] == [4, 3, 2, 1, 0]


def test_an_endless_recursion_is_an_error_even_where_what_it_gives_doubles() -> None:
    deeper = toward(method("all", "m", step("a", "all", input=COPY)))
    assert "deeper" in str(refused(deeper, BadProblem))
    doubling = toward(
        method("all", "m", step("a", "all", input={"one": "${input}", "two": "${input}"}))
    )
    refused(doubling, TooBig)


def test_too_many_tries_are_an_error() -> None:
    level = [
        method(f"t{n}", f"m{way}", step("a", f"t{n + 1}", input=f"{way}"))
        for n in range(15)
        for way in range(3)
    ]
    dead = [method("t15", "m", step("a"), when="input == 'x'")]
    error = refused(TaskProblem(goal="t0", methods=[*level, *dead]), TooBig)
    assert str(MAX_TRIES) in str(error)


def test_a_cycle_of_steps_is_named() -> None:
    steps = step("a", input="${c.result}"), step("b", after=["a"]), step("c", after=["b"])
    error = refused(toward(method("all", "m", *steps)), BadProblem)
    assert sorted(set(error.context["cycle"])) == ["a", "b", "c"]
    assert error.context["field"] == "methods.m"


def test_an_unknown_topic_is_named_with_one_that_is_near() -> None:
    error = refused(
        toward(method("all", "m", step("a", "reserch")), shapes=[TopicShape(topic="research")]),
        UnknownTopic,
    )
    assert error.context["field"] == "methods.m.steps.a.task"
    assert error.hint == "did you mean research?"


@pytest.mark.parametrize(
    ("given", "field", "fact"),
    [
        ({"city": 5}, ".city", "not of type"),
        ({}, ".city", "is missing"),
        ({"city": "Rome", "days": "${a.result.name}"}, ".days", "is string"),
        ({"city": "${a.result.nome}"}, ".city", "leads to nothing"),
    ],
)
def test_what_a_topic_does_not_take_is_named_with_the_way_to_the_field(
    given: Any, field: str, fact: str
) -> None:
    whole = {"type": "integer"}
    hotel = TopicShape(
        topic="hotel",
        input={
            "type": "object",
            "properties": {"city": TEXT, "days": whole},
            "required": ["city"],
        },
    )
    names = TopicShape(topic="a", output={"type": "object", "properties": {"name": TEXT}})
    error = refused(
        toward(
            method("all", "m", step("a"), step("b", "hotel", input=given)), shapes=[names, hotel]
        ),
        BadProblem,
    )
    assert error.context["field"] == f"methods.m.steps.b.input{field}"
    assert fact in str(error)


def test_a_value_that_is_not_known_yet_may_be_any_of_several_types() -> None:
    either = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    plan = planned(
        toward(
            method("all", "m", step("a"), step("b", input={"n": "${a.result.n}"})),
            shapes=[TopicShape(topic="a"), shape("b", n=either)],
        )
    )
    assert len(plan.tasks) == 2


def test_a_condition_on_what_is_not_known_yet_is_refused() -> None:
    error = refused(
        toward(
            method("all", "m", step("a"), step("b", "part", input={"n": "${a.result.n}"})),
            method("part", "m", step("c"), when="input.n > 5"),
        ),
        BadProblem,
    )
    assert error.context["field"] == "methods.m.when"
    assert "when a has ended" in str(error)


def test_ten_megabytes_are_refused() -> None:
    refused(toward(method("all", "m", step("a")), given="x" * 10_000_000), TooBig)


@pytest.mark.parametrize("levels", [950, 5000])
def test_a_deep_input_is_refused(levels: int) -> None:
    given: Any = 1
    for _ in range(levels):
        given = [given]
    error = refused(
        toward(method("all", "m", step("a", input="${input}")), given=given), PepperError
    )
    assert error.category == "input"


def test_another_method_is_the_innermost_one_that_helps() -> None:
    methods = read_methods(
        [
            method("all", "m", step("a"), step("b", "part")),
            method("all", "n", step("z")),
            method("part", "first", step("c"), step("d")),
            method("part", "second", step("e"), attempts=2),
        ]
    )

    def again(tried: dict[str, list[str]], names: Any) -> Any:
        return decompose("all", None, methods, tried=tried, names=names)

    draft = decompose("all", None, methods)
    ways = [list(draft.tasks)]
    for failed in ("d", "e", "e_2"):
        changed = other_methods(draft, [failed], again)
        assert changed.draft is not None
        draft = changed.draft
        ways.append(list(draft.tasks))
    assert ways == [["a", "c", "d"], ["a", "e"], ["a", "e_2"], ["z"]]
    with pytest.raises(NoPlan):
        other_methods(draft, ["z"], again)


def test_the_way_into_what_is_known_or_not_is_followed() -> None:
    scope = {"input": {"a": [{"b": 1}, {"b": {"$ref": "n.result"}}], "$$ref": 3}}
    assert bind("${input.a[*].b}", scope, "x") == [1, {"$ref": "n.result"}]
    assert bind("${input.a[1].b.c[0]}", scope, "x") == {"$ref": "n.result.c[0]"}
    assert bind('${input["$ref"]}', scope, "x") == 3
    assert known(bind({"k": "$${x}"}, scope, "x")) == {"k": "${x}"}
    for wrong in ("${input.a.b}", "${input.a[2]}", "${input.c}", "${nothing}", "${input.a", "${}"):
        with pytest.raises(BadProblem) as caught:
            bind({"k": wrong}, scope, "place")
        assert str(caught.value.context["field"]).startswith("place")
    with pytest.raises(BadProblem, match="a text cannot have"):
        bind("see ${input.a}", scope, "place")


def test_what_is_too_heavy_is_not_looked_at_to_its_end() -> None:
    value: Any = "x"
    for _ in range(100):
        value = [value, value]
    with pytest.raises(TooBig):
        weigh(value, "x")


def test_the_same_problem_has_the_same_plan() -> None:
    one = decompose("travel", TO_MIT.input, read_methods(TRAVEL))
    other = decompose("travel", TO_MIT.input, read_methods(TRAVEL))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


NAMES = st.sampled_from(["a", "b", "c", "d"])
TASKS = st.sampled_from(["all", "t", "u", "topic1", "topic2"])
INPUTS = st.sampled_from(
    [None, "${input}", "${input.n}", "${a.result}", "x ${b.result.y}", {"k": ["${input.list[0]}"]}]
)
STEPS = st.builds(
    lambda name, task, given, after: step(name, task, input=given, after=after),
    NAMES,
    TASKS,
    INPUTS,
    st.lists(NAMES, max_size=2),
)
METHODS = st.builds(
    lambda task, name, steps, ordered, attempts: method(
        task, name, *steps, ordered=ordered, attempts=attempts
    ),
    st.sampled_from(["all", "t", "u"]),
    st.sampled_from(["m", "n", "o"]),
    st.lists(STEPS, max_size=3),
    st.booleans(),
    st.integers(1, 2),
)


def typed(function: Callable[..., T], *given: Any) -> T | None:
    """Returns what a function returns, or None where it says what is wrong with the input."""
    try:
        return function(*given)
    except PepperError as error:
        if error.category != "input":
            raise
        return None


@settings(max_examples=300, deadline=None)
@given(st.lists(METHODS, min_size=1, max_size=6), st.data())
def test_whatever_methods_there_are_the_plan_runs_or_an_error_says_why(
    methods: list[Method], data: st.DataObject
) -> None:
    whole = toward(*methods, given={"n": 1, "list": [{"y": 2}]})
    draft = typed(_decomposed, whole, {}, {})
    if draft is None:
        return
    graph = whole_graph(draft, 8)
    if graph.nodes:
        assert list(make_plan(graph).nodes)
    results: dict[str, Any] = {}
    for _ in range(4):  # some tasks fail, and others completed before
        open_ = [name for name in draft.tasks if name not in results]
        if not open_:
            break
        failed = data.draw(st.sampled_from(open_))
        ended = {name: {"y": name} for name in open_[: open_.index(failed)]}
        results |= ended
        changed = typed(_changed, whole, draft, [failed])
        if changed is None or changed.draft is None:
            return
        assert failed not in changed.draft.tasks
        for new, old in adopt(draft.tasks, changed.draft.tasks, results).items():
            results[new] = results[old]
            assert changed.draft.tasks[new].topic == draft.tasks[old].topic
        draft = changed.draft
        results = {name: one for name, one in results.items() if name in draft.tasks}
        rest = rest_graph(draft, results, 8)
        assert set(rest.nodes) == set(draft.tasks) - set(results)
        if rest.nodes:
            make_plan(rest)
