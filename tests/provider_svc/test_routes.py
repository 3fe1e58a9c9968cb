import random
from collections import Counter

import pytest

from pepperpy_provider_svc.declared.models import Declaration, Routing
from pepperpy_provider_svc.routing.choice import TO_LEARN, order
from pepperpy_provider_svc.routing.figures import Figures
from pepperpy_provider_svc.routing.route import Route, RouteTarget, resolve
from pepperpy_schemas.errors import UnknownModel
from pepperpy_schemas.provider import TargetStatus
from tests.provider_svc.asking import Listed, route_to

DECLARED = Declaration.model_validate(
    {
        "providers": {
            "openai": {"kind": "openai"},
            "anthropic": {"kind": "anthropic"},
            "local": {"kind": "local"},
        },
        "models": {
            "default": {
                "targets": [
                    {"model": "openai/gpt-5-mini", "weight": 3, "context_window": 400_000},
                    "anthropic/claude-haiku-4-5",
                ],
                "routing": "weight",
                "timeouts": {"total": "10s"},
            },
            "small": {"targets": ["local/smollm2", "openai/gpt-5-mini"]},
        },
    }
)


def names(route: Route) -> list[str]:
    return [target.name for target in route.targets]


def test_an_alias_has_its_targets_routing_and_time_outs() -> None:
    route = resolve(DECLARED, "default", [])
    assert route.targets[0] == RouteTarget("openai", "gpt-5-mini", 3.0, 400_000)
    assert names(route) == ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]
    assert route.routing == "weight"
    assert route.timeouts.total == 10


def test_fallbacks_follow_and_no_target_comes_twice() -> None:
    route = resolve(DECLARED, "default", ["small", "openai/o9/x"])
    assert [(target.name, target.rank) for target in route.targets] == [
        ("openai/gpt-5-mini", 0),
        ("anthropic/claude-haiku-4-5", 0),
        ("local/smollm2", 1),
        ("openai/o9/x", 2),
    ]


def test_a_model_of_a_known_provider_needs_no_alias() -> None:
    route = resolve(DECLARED, "anthropic/claude-next", [])
    assert route.targets == (RouteTarget("anthropic", "claude-next"),)
    assert route.routing == "order"
    assert resolve(DECLARED, "openai/gpt-5-mini", []).targets[0].context_window == 400_000


@pytest.mark.parametrize(
    ("asked", "fallbacks", "close"),
    [
        ("defalt", [], "default"),
        ("opnai/gpt-5-mini", [], "openai/gpt-5-mini"),
        ("default", ["smal"], "small"),
        ("openai/", [], "openai/…"),
    ],
)
def test_an_unknown_model_names_those_that_were_perhaps_meant(
    asked: str, fallbacks: list[str], close: str
) -> None:
    with pytest.raises(UnknownModel, match="did you mean") as caught:
        resolve(DECLARED, asked, fallbacks)
    assert close in caught.value.context["close"]
    assert close in caught.value.message


def test_a_model_that_resembles_nothing_is_just_unknown() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve(DECLARED, "zzzzzz", [])
    assert "mean" not in caught.value.message


def ordered(
    route: Route,
    figures: Figures | None = None,
    prices: Listed | None = None,
    chance: random.Random | None = None,
) -> list[str]:
    targets = order(
        route,
        figures=figures or Figures(),
        prices=prices or Listed(),
        tokens=1000,
        chance=chance or random.Random(1),
    )
    return [target.name for target in targets]


def called(figures: Figures, target: str, *seconds: float, failed: int = 0) -> None:
    for one in seconds:
        figures.begin(target, "main")
        figures.end(target, "main", seconds=one)
    for _ in range(failed):
        figures.begin(target, "main")
        figures.end(target, "main", failed=True, seconds=9.0)


def test_by_order_targets_are_asked_as_declared() -> None:
    assert ordered(route_to("c/c", "a/a", "b/b")) == ["c/c", "a/a", "b/b"]


def test_by_weight_the_first_is_drawn_and_the_rest_follows_by_weight() -> None:
    targets = tuple(
        RouteTarget("p", name, weight) for name, weight in (("a", 1), ("b", 2), ("c", 7))
    )
    chance = random.Random(4)
    drawn = [tuple(ordered(Route(targets, "weight"), chance=chance)) for _ in range(3000)]
    firsts = Counter(one[0] for one in drawn)
    assert 200 < firsts["p/a"] < 400
    assert 480 < firsts["p/b"] < 720
    assert set(drawn) == {
        ("p/a", "p/c", "p/b"),
        ("p/b", "p/c", "p/a"),
        ("p/c", "p/b", "p/a"),
    }


def test_the_same_seed_draws_the_same() -> None:
    route = route_to("a/a", "b/b", "c/c", routing="weight")
    assert [ordered(route, chance=random.Random(n)) for n in range(20)] == [
        ordered(route, chance=random.Random(n)) for n in range(20)
    ]


def test_by_latency_the_fastest_is_asked_first() -> None:
    figures = Figures()
    called(figures, "a/a", 0.3, 0.3, 5.0)
    called(figures, "b/b", 0.2, 0.2, 0.2)
    assert ordered(route_to("a/a", "b/b", routing="latency"), figures) == ["b/b", "a/a"]


def test_by_latency_an_unknown_target_is_tried_first_but_not_for_ever() -> None:
    figures = Figures()
    called(figures, "a/a", 0.3)
    route = route_to("a/a", "b/b", routing="latency")
    assert ordered(route, figures) == ["b/b", "a/a"]
    called(figures, "b/b", failed=TO_LEARN)
    assert ordered(route, figures) == ["a/a", "b/b"]


def test_by_latency_calls_that_run_are_tries_too() -> None:
    figures = Figures()
    called(figures, "a/a", 0.3)
    for _ in range(TO_LEARN):
        figures.begin("b/b", "main")
    assert ordered(route_to("a/a", "b/b", routing="latency"), figures) == ["a/a", "b/b"]


def test_by_cost_the_cheapest_is_asked_first_and_an_unknown_price_last() -> None:
    route = route_to("x/x", "a/a", "b/b", routing="cost")
    assert ordered(route, prices=Listed({"a/a": 3, "b/b": 1})) == ["b/b", "a/a", "x/x"]


def test_by_load_the_least_busy_is_asked_first() -> None:
    figures = Figures()
    figures.begin("a/a", "main")
    figures.begin("a/a", "second")
    figures.begin("b/b", "main")
    assert ordered(route_to("a/a", "b/b", "c/c", routing="least_busy"), figures) == [
        "c/c",
        "b/b",
        "a/a",
    ]


@pytest.mark.parametrize("routing", ["order", "weight", "latency", "cost", "least_busy"])
def test_a_fallback_never_comes_before_the_model_that_was_asked_for(routing: Routing) -> None:
    targets = (RouteTarget("a", "a"), RouteTarget("b", "b"), RouteTarget("c", "c", 99, rank=1))
    prices = Listed({"a/a": 3, "b/b": 2, "c/c": 1})
    assert ordered(Route(targets, routing), prices=prices)[-1] == "c/c"


def test_figures_tell_what_runs_what_failed_and_how_long_it_took() -> None:
    figures = Figures()
    called(figures, "a/a", 0.1, 0.2, 0.4, failed=2)
    figures.begin("a/a", "main")
    assert figures.status("a/a", "main", "closed", None) == TargetStatus(
        target="a/a", key="main", running=1, calls=5, failures=2, p50_ms=200
    )
    assert figures.status("b/b", "main", "closed", None).p50_ms is None
    assert figures.seconds("zzz") is None
