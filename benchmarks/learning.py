"""Measures bandits and the learned router: what they gain, what they lose, and what they cost.

    python benchmarks/learning.py [--quick] [--json] [--no-broker]

A simulated fleet of three models, each best at another kind of task, is routed without a bus over
many seeds: its share of the reward of who knows the best model for each kind, over the first 1000
tasks, and after how many tasks it is at 90 % again when each kind has another best model. Beside it
are the one model that is best for all kinds together, and chance. Regret is that of Thompson
sampling on five arms, beside the lower bound of Lai and Robbins and the bound of UCB1. What a route
costs is measured on a nats-server in turns with the same task sent directly, and with one that
does nothing but submit it as its child and wait: medians, and the difference to the direct one.
The last line of `--json` is one flat object; a figure that could not be taken is null.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import brokers
from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.client import Client
from pepperpy_bus.opening import connect
from pepperpy_capabilities.learning.bandits import bounds
from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_capabilities.learning.routing.router_agent import agent as router
from pepperpy_schemas.learned_routes import ROUTE, RouteChoice, RouterSetting, RouteTask
from pepperpy_schemas.learning_bandits import BanditOptions, Pull, Pulling
from tests.capabilities.learning.bandits.losing import regret
from tests.capabilities.learning.fleet import AFTER, BEFORE, KINDS, MODELS, Chances
from tests.capabilities.learning.routing.simulating import simulated

KEYS = (
    "router_share",
    "router_share_min",
    "drift_recovery_tasks",
    "drift_recovery_max",
    "router_share_linucb",
    "drift_recovery_tasks_linucb",
    "one_model_share",
    "chance_share",
    "regret",
    "regret_vs_bound",
    "regret_vs_ucb1_bound",
    "regret_vs_uniform",
    "thompson_us",
    "linucb_us",
    "direct_task_us",
    "parent_task_us",
    "routed_task_us",
    "route_overhead_us",
    "routed_vs_parent",
)
TASKS = 1_000
"""Before the drift, and after it."""
WARM = 5
"""Tasks of each kind that are not counted."""
ARMS = [0.9, 0.8, 0.7, 0.6, 0.5]
LINUCB = BanditOptions(method="linucb", discount=0.99, width=0.5)

Figures = dict[str, float | None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer seeds, shorter runs")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--no-broker", action="store_true", help="leave the nats-server out")
    options = parser.parse_args(arguments)
    seeds = 5 if options.quick else 50
    figures: Figures = dict.fromkeys(KEYS)
    figures |= fleet(seeds) | fleet_by_linucb(max(2, seeds // 10))
    figures |= losses(seeds, 1_000 if options.quick else 10_000)
    figures |= {"thompson_us": cost(BanditOptions(discount=0.99)), "linucb_us": cost(LINUCB)}
    if not options.no_broker:
        with brokers.nats_server() as broker:
            figures |= asyncio.run(routes(broker.url, 30 if options.quick else 200))
    for key in KEYS:
        figure = figures[key]
        print(f"{key:28} {'–' if figure is None else f'{figure:12.3f}'}")
    if options.json:
        rounded = {key: figures[key] and round(figures[key] or 0.0, 4) for key in KEYS}
        print(json.dumps(rounded))


def fleet(seeds: int) -> Figures:
    """Returns what the router gains, with its defaults, beside others."""
    gained = [simulated(RouterSetting(mode="live"), seed, TASKS) for seed in range(seeds)]
    shares = [one.share(0, TASKS) for one in gained]
    recoveries = [one.recovery(TASKS) for one in gained]
    return {
        "router_share": mean(shares),
        "router_share_min": min(shares),
        "drift_recovery_tasks": median(one or TASKS for one in recoveries),
        "drift_recovery_max": None if None in recoveries else max(one or 0 for one in recoveries),
        "one_model_share": max(_fixed(model, BEFORE) for model in MODELS),
        "chance_share": mean(_fixed(model, BEFORE) for model in MODELS),
    }


def fleet_by_linucb(seeds: int) -> Figures:
    """Returns the same of LinUCB."""
    setting = RouterSetting(mode="live", bandit=LINUCB)
    gained = [simulated(setting, seed, TASKS) for seed in range(seeds)]
    return {
        "router_share_linucb": mean(one.share(0, TASKS) for one in gained),
        "drift_recovery_tasks_linucb": median(one.recovery(TASKS) or TASKS for one in gained),
    }


def _fixed(model: str, chances: Chances) -> float:
    best = sum(max(chances[kind].values()) for kind in KINDS)
    return sum(chances[kind][model] for kind in KINDS) / best


def losses(seeds: int, pulls: int) -> Figures:
    """Returns the regret of Thompson sampling that forgets nothing, beside theory."""
    lost = mean(sum(regret(BanditOptions(), seed, ARMS, pulls)) for seed in range(seeds))
    return {
        "regret": lost,
        "regret_vs_bound": lost / bounds.lai_robbins(ARMS, pulls),
        "regret_vs_ucb1_bound": lost / bounds.ucb1(ARMS, pulls),
        "regret_vs_uniform": lost / bounds.uniform(ARMS, pulls),
    }


def cost(options: BanditOptions, rounds: int = 1_000) -> float:
    """Returns microseconds of the processor for one choice and one reward of three arms."""
    bandit = BanditLearner(options)
    began = time.thread_time()
    for n in range(rounds):
        features: dict[str, Any] = {"kind": KINDS[n % len(KINDS)]}
        arm = bandit.predict(Pulling(arms=list(MODELS), features=features, seed=n)).arm or ""
        bandit.learn(Pull(arm=arm, reward=AFTER[KINDS[n % 3]][arm], features=features))
    return (time.thread_time() - began) / rounds * 1e6


async def routes(url: str, count: int) -> Figures:
    """Returns what a task takes directly, as a child, and by the router, in turns."""
    answering = Agent("answering")

    @answering.task("answer")
    async def answer(data: dict[str, str]) -> str:
        return data["model"]

    parent = Agent("parent")

    @parent.task("parent")
    async def submit(data: dict[str, str], ctx: Context) -> Any:
        return await ctx.run("answer", data)

    choices = [RouteChoice(name=one, topic="answer", set={"model": one}) for one in MODELS]
    sent = RouteTask(choices=choices, task={}, setting=RouterSetting(mode="live"))
    ways: dict[str, Any] = {"answer": {"model": "small"}, "parent": {"model": "small"}, ROUTE: sent}
    times: dict[str, list[float]] = {way: [] for way in ways}
    async with connect(url) as client, _working(url, answering, parent, router):
        for n in range(count + WARM):
            for way, body in ways.items():
                took = await _timed(client, way, body)
                if n >= WARM:
                    times[way].append(took)
    direct, child, routed = (median(times[way]) for way in ways)
    return {
        "direct_task_us": direct,
        "parent_task_us": child,
        "routed_task_us": routed,
        "route_overhead_us": routed - direct,
        "routed_vs_parent": routed / child,
    }


async def _timed(client: Client, topic: str, body: Any) -> float:
    began = time.perf_counter()
    await client.run(topic, body, wait="30s")
    return (time.perf_counter() - began) * 1e6


@asynccontextmanager
async def _working(url: str, *agents: Agent) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for one in agents:
            own = await stack.enter_async_context(connect(url))
            worker = Worker(one, own, WorkerOptions(concurrency=8))
            running = asyncio.create_task(worker.run(), name=f"worker:{one.name}")
            stack.push_async_callback(_stopped, worker, running)
            while not worker.ready and not running.done():
                await asyncio.sleep(0.01)
        yield


async def _stopped(worker: Worker, running: "asyncio.Task[object]") -> None:
    worker.stop()
    await running


if __name__ == "__main__":
    main()
