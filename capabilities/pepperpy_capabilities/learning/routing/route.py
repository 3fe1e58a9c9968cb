"""One task on its way: picked, sent, waited for, learned from. What was done once stays done."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from pepperpy_agents.context import Context
from pepperpy_agents.durable.waiting import child_value
from pepperpy_bus.streams.reading import last_as_stored
from pepperpy_bus.submission import SubmitOptions
from pepperpy_capabilities.learning.bandits.contexts import check_features
from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.policy import pick, pick_default
from pepperpy_capabilities.learning.routing.rewards import Ended
from pepperpy_capabilities.learning.routing.settings import RouterSettings, check_setting
from pepperpy_capabilities.learning.states import Keeper, Once
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.errors import BadExample, BadProblem, NotFound, PepperError
from pepperpy_schemas.learned_routes import (
    RouteAnswer,
    RouteChoice,
    RouteLearned,
    RoutePicked,
    RouteTask,
)
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import check_topic


class Route:
    """One task of the topic ``route``, in one attempt at it.

    Args:
        task: The task.
        ctx: Its context.
        keeper: Where it is kept what routers have learned.
        settings: Where their settings are.
    """

    def __init__(
        self, task: RouteTask, ctx: Context, keeper: Keeper[Router], settings: RouterSettings
    ) -> None:
        self._task = task
        self._ctx = ctx
        self._keeper = keeper
        self._settings = settings
        self._choices = {one.name: one for one in task.choices}

    async def run(self) -> RouteAnswer:
        """Sends the task where it ends best, and returns what came of it.

        Raises:
            BadProblem: The choices or the setting contradict themselves.
            BadExample: A feature cannot be reckoned with.
            ChildFailed: The child failed; that was learned.
        """
        check_task(self._task)
        task, ctx = self._task, self._ctx
        picked = await ctx.step("pick", self._pick, type=RoutePicked)
        choice = self._choices[picked.choice]
        child = await ctx.submit(choice.topic, body_of(task, choice), **self._options())
        result = (await ctx.first(child))[child]
        learned = await ctx.step("learn", self._learn, child, result.state, picked)
        value = child_value(child, result)
        return RouteAnswer(
            result=value,
            child=child,
            router=task.router,
            features=task.features,
            picked=picked,
            learned=learned,
            explanation=_explained(picked, learned),
        )

    def _options(self) -> SubmitOptions:
        options: SubmitOptions = {}
        if self._task.timeout is not None:
            options["timeout"] = self._task.timeout
        if self._task.budget:
            options["budget"] = self._task.budget
        return options

    # --- steps ----------------------------------------------------------------------------------

    async def _pick(self) -> RoutePicked:
        task, at, names = self._task, self._ctx.now, list(self._choices)
        setting = await self._settings.begin(task.router, task.setting)
        if setting.mode == "off":
            return pick_default(setting, names, at=at, why="the router is off")
        seed = seed_of(self._ctx.task_id)

        def look(router: Router) -> RoutePicked:
            bandit = router.bandit(setting)
            return pick(setting, names, task.features, bandit=bandit, seed=seed, at=at)

        try:
            picked = (await self._keeper.read(task.router, look)).outcome
        except BadExample:
            raise
        except PepperError as error:
            # What was learned cannot be asked, but the task can be done.
            self._ctx.log.warning("route.not_asked", router=task.router, reason=str(error))
            return pick_default(setting, names, at=at, why=f"what was learned: {error}")
        assert picked is not None, "a look has an outcome"
        return picked

    async def _learn(self, child: str, state: TaskState, picked: RoutePicked) -> RouteLearned:
        ctx, task = self._ctx, self._task
        end = await self._ended_at(child)
        ended = Ended(
            state=state,
            seconds=max(0.0, (end - picked.at).total_seconds()),
            usd=await self._cost(child, self._choices[picked.choice]),
        )
        known = RouteLearned(seconds=ended.seconds, usd=ended.usd)
        setting = await self._settings.begin(task.router, task.setting)
        if setting.mode == "off":
            return msgspec.structs.replace(known, why="the router is off")

        def edit(router: Router) -> RouteLearned:
            return router.learn(setting, picked, task.features, ended, now=end)

        try:
            once = Once(f"route:{ctx.task_id}", asked=end, now=ctx.now)
            changed = await self._keeper.change(task.router, edit, once=once)
        except PepperError as error:
            # The result is there, and is worth more than what could be learned from it.
            ctx.log.warning("route.not_learned", router=task.router, reason=str(error))
            return msgspec.structs.replace(known, why=f"not learned: {error}")
        if changed.outcome is None:
            return msgspec.structs.replace(known, why="learned before its worker died")
        return changed.outcome

    async def _ended_at(self, child: str) -> datetime:
        """When the server stored the child's result."""
        client = self._ctx.client
        subject = RESULT.of(client.prefix, id=child)
        there = await last_as_stored(
            client.connection, stream_name(client.prefix, "RESULTS"), subject
        )
        return self._ctx.now if there is None else datetime.fromisoformat(there.time)

    async def _cost(self, child: str, choice: RouteChoice) -> float | None:
        if choice.usd is not None or not self._task.budget:
            return choice.usd
        try:
            ledger = await self._ctx.client.budgets.ledger(child)
        except NotFound:
            return 0.0  # a child with a budget has a ledger from its first spending on
        return ledger.spent.nano_usd / 1e9


def check_task(task: RouteTask) -> None:
    """Looks whether a task can be sent anywhere.

    Raises:
        BadProblem: Two choices have one name, a choice sets fields of a body that has none, or the
            setting contradicts itself.
        BadName: A topic is none.
        BadExample: A feature cannot be reckoned with.
    """
    names: set[str] = set()
    for number, one in enumerate(task.choices):
        if one.name in names:
            raise BadProblem(
                f"two choices are named {one.name!r}", context={"field": f"choices[{number}].name"}
            )
        names.add(one.name)
        check_topic(one.topic)
        body_of(task, one)
    check_features(task.features)
    if task.setting is not None:
        check_setting(task.setting)


def body_of(task: RouteTask, choice: RouteChoice) -> Any:
    """Returns the body that a choice is sent with."""
    if not choice.set:
        return task.task
    if not isinstance(task.task, dict):
        raise BadProblem(
            f"choice {choice.name!r} sets {', '.join(choice.set)}, and the task is no object",
            context={"field": "task"},
        )
    return {**task.task, **choice.set}


def seed_of(task_id: str) -> int:
    """Returns what chance begins with for a task: the same in every attempt."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=6).digest())


def _explained(picked: RoutePicked, learned: RouteLearned) -> str:
    if learned.reward is None:
        return f"{picked.why}\nno reward: {learned.why}"
    parts = ", ".join(f"{name} {value:.3g}" for name, value in learned.parts.items())
    return f"{picked.why}\nreward {learned.reward:.3g} of {parts}"
