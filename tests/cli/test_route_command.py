"""`pepperpy route`: shows routers, switches them, and has them forget."""

import asyncio
from datetime import UTC, datetime

from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.policy import pick
from pepperpy_capabilities.learning.routing.rewards import Ended
from pepperpy_capabilities.learning.routing.settings import RouterSettings
from pepperpy_capabilities.learning.states import Keeper
from pepperpy_schemas.learned_routes import RouterSetting
from pepperpy_schemas.states import TaskState
from tests.cli.inline import Inline

NOW = datetime.now(UTC)


def taught(broker: Broker, prefix: str, count: int = 30) -> None:
    """Has a router learn, as the stock agent does."""
    setting = RouterSetting(mode="shadow", spread=0.5, default="small")

    def edit(router: Router) -> None:
        for seed in range(count):
            bandit = router.bandit(setting)
            picked = pick(setting, ["small", "large"], {}, bandit=bandit, seed=seed, at=NOW)
            good = picked.choice == "large"
            state = TaskState.COMPLETED if good else TaskState.FAILED
            router.learn(setting, picked, {}, Ended(state=state, seconds=2.0), now=NOW)

    async def teach() -> None:
        async with (
            connect(broker.url, bus__prefix=prefix) as client,
            Keeper(
                client.connection, client.prefix, "router", load=Router, save=Router.save
            ) as keeper,
        ):
            await RouterSettings(client.connection, client.prefix).begin("answers", setting)
            await keeper.change("answers", edit)

    asyncio.run(teach())


def test_a_router_is_shown_with_its_choices_and_what_its_policies_are_worth(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    taught(broker, prefix)
    shown = inline.json("route", "show", "answers")
    assert (shown["router"], shown["mode"], shown["spread"]) == ("answers", "shadow", 0.5)
    choices = {one["choice"]: one for one in shown["choices"]}
    assert sum(one["tasks"] for one in choices.values()) == 30
    assert (choices["large"]["succeeded"], choices["small"]["reward"]) == (1.0, 0.0)
    assert choices["large"]["seconds"] == 2.0
    assert (choices["large"]["usd"], choices["large"]["rating"]) == (None, None)
    values = {one["policy"]: one["reward"] for one in shown["policies"]}
    assert values["learned"] > values["default"]
    assert inline.run("route", "show", "answers") == 0
    assert "SUCCEEDED" in inline.out
    assert "AS GOOD AS TASKS" in inline.out
    assert [one["router"] for one in inline.json("route", "ls")] == ["answers"]


def test_a_router_is_switched_only_from_the_mode_that_was_expected(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    taught(broker, prefix)
    row = inline.json(
        "route", "mode", "answers", "live", "--expect", "shadow", "--exploration", "0.1"
    )
    assert (row["mode"], row["exploration"], row["default"]) == ("live", 0.1, "small")
    assert row["by"].startswith("cli/")
    assert inline.run("route", "mode", "answers", "off", "--expect", "shadow") != 0
    assert "see how it routes: pepperpy route show answers" in inline.err
    assert "answers is live, and not shadow" in inline.err
    assert inline.json("route", "show", "answers")["mode"] == "live"
    assert inline.run("route", "mode", "answers", "on") == 2
    assert inline.run("route", "mode", "answers", "off", "--default", "large") == 0
    assert "answers  off   large    0.1 " in inline.out
    assert inline.run("route", "mode", "answers", "off", "--exploration", "0.025") == 0
    assert " 0.025 " in inline.out
    assert inline.json("route", "show", "answers")["default"] == "large"


def test_a_router_forgets_and_keeps_how_it_routes(
    inline: Inline, broker: Broker, prefix: str
) -> None:
    taught(broker, prefix)
    assert inline.run("route", "reset", "answers") == 0
    assert inline.out == "answers: 1 changes are forgotten\n"
    shown = inline.json("route", "show", "answers")
    assert (shown["choices"], shown["default"]) == ([], "small")
    assert inline.run("route", "show", "answers") == 0
    assert "nothing was learned yet" in inline.err
    assert inline.json("route", "reset", "answers") == {"name": "answers", "forgotten": 0}


def test_a_router_that_nobody_made_is_named(inline: Inline, broker: Broker, prefix: str) -> None:
    taught(broker, prefix)
    for command in ("show", "reset"):
        assert inline.run("route", command, "other") != 0
        assert "there is no router other" in inline.err
    assert inline.run("route", "mode", "other", "shadow") == 0
    assert [one["router"] for one in inline.json("route", "ls")] == ["answers", "other"]
