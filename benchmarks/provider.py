"""Measures what a gateway adds to a model's answer: ours and LiteLLM's, beside the SDK alone.

    python benchmarks/provider.py [--quick] [--json] [--no-peer]

All ask the same upstream, which answers at once, and take turns request by request, so that a
machine that is busy is busy for all; only differences and ratios within one run are compared.
Ours runs as `pepperpy provider run` behind a nats-server; nothing of a request is stored, so no
durability setting matters. LiteLLM's proxy runs from an environment of its own. The last line of
`--json` is one flat object; a figure that could not be taken is null.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure
from benchmarks.gateways.running import MODEL, Site, site

KEYS = ("added_p50_ms", "litellm_added_over_ours", "rps_over_litellm", "rss_mb")
CONCURRENCY = 16
DIRECT, OURS, PEER = "direct SDK", "PepperPy", "LiteLLM proxy"

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Way:
    """A way to the model.

    Attributes:
        name: What the table calls it.
        whole: Asks for a whole answer.
        first: Asks for a streamed one and returns when its first piece is there, having read all.
        pid: The gateway's process; 0 for none.
    """

    name: str
    whole: Ask
    first: Callable[[], Awaitable[float]]
    pid: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--no-peer", action="store_true", help="leave LiteLLM out")
    parser.add_argument("--requests", type=int, default=0, help="requests of each way, one by one")
    parser.add_argument("--streams", type=int, default=0, help="streamed requests of ours, for RSS")
    options = parser.parse_args(arguments)
    requests = options.requests or (300 if options.quick else 1000)
    streams = options.streams or (4000 if options.quick else 20_000)
    with site(peer=not options.no_peer) as where:
        figures = asyncio.run(run(where, requests, streams))
    if options.json:
        print(json.dumps(figures))


async def run(where: Site, requests: int, streams: int) -> dict[str, float | None]:
    """Takes every figure and prints the table."""
    async with AsyncExitStack() as stack:
        ways = await _ways(stack, where)
        for way in ways:
            for _ in range(20):
                await way.whole()
                await way.first()
        took, first, cpu = await one_by_one(ways, requests)
        rates = await together(ways, seconds=2.0 if requests < 1000 else 5.0)
        before = measure.rss_mb(where.ours)
        await many_streams(ways[1], streams)
        after = measure.rss_mb(where.ours)
    direct = sorted(took[DIRECT])
    print(f"{'':14} {'p10 ms':>8} {'p50 ms':>8} {'added p50':>10} {'first p50':>10} ", end="")
    print(f"{'CPU ms':>8} {'req/s at 16':>12}")
    for way in ways:
        times = sorted(took[way.name])
        p10, p50 = times[len(times) // 10], median(times)
        added = p50 - median(direct)
        burnt = f"{cpu[way.name]:8.2f}" if way.pid else " " * 8
        print(f"{way.name:14} {p10:8.2f} {p50:8.2f} {added:10.2f} ", end="")
        print(f"{median(first[way.name]):10.2f} {burnt} {rates[way.name]:12.0f}")
    print(f"RSS of ours: {before:.1f} MiB, {after:.1f} MiB after {streams} more streams")
    ours = median(took[OURS]) - median(direct)
    figures: dict[str, float | None] = dict.fromkeys(KEYS)
    figures["added_p50_ms"] = round(ours, 3)
    figures["rss_mb"] = round(after, 1)
    if PEER in took:
        figures["litellm_added_over_ours"] = round((median(took[PEER]) - median(direct)) / ours, 2)
        figures["rps_over_litellm"] = round(rates[OURS] / rates[PEER], 2)
    return figures


async def one_by_one(
    ways: list[Way], requests: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, float]]:
    """Returns milliseconds of whole answers and of first pieces, and CPU ms of a whole answer."""
    took: dict[str, list[float]] = {way.name: [] for way in ways}
    first: dict[str, list[float]] = {way.name: [] for way in ways}
    burnt = {way.name: measure.exact_cpu_seconds(way.pid) for way in ways if way.pid}
    for _ in range(requests):
        for way in ways:
            began = time.perf_counter()
            await way.whole()
            took[way.name].append((time.perf_counter() - began) * 1e3)
    cpu = {
        way.name: (measure.exact_cpu_seconds(way.pid) - burnt[way.name]) * 1e3 / requests
        for way in ways
        if way.pid
    }
    for _ in range(requests // 3):
        for way in ways:
            first[way.name].append(await way.first() * 1e3)
    return took, first, cpu


async def together(ways: list[Way], *, seconds: float, rounds: int = 3) -> dict[str, float]:
    """Returns requests per second with 16 at a time, the median of some rounds in turn."""
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            done = 0
            end = time.perf_counter() + seconds

            async def ask(way: Way = way, end: float = end) -> int:
                count = 0
                while time.perf_counter() < end:
                    await way.whole()
                    count += 1
                return count

            done = sum(await asyncio.gather(*(ask() for _ in range(CONCURRENCY))))
            rates[way.name].append(done / seconds)
    return {name: median(each) for name, each in rates.items()}


async def many_streams(way: Way, streams: int) -> None:
    """Asks for that many streamed answers, 16 at a time."""
    left = iter(range(streams))

    async def ask() -> None:
        for _ in left:
            await way.first()

    await asyncio.gather(*(ask() for _ in range(CONCURRENCY)))


async def _ways(stack: AsyncExitStack, where: Site) -> list[Way]:
    from openai import AsyncOpenAI

    from pepperpy import connect

    bus = await stack.enter_async_context(connect(where.bus))

    async def whole() -> None:
        await bus.llm.chat("Say something about otters.")

    async def first() -> float:
        began = time.perf_counter()
        came = 0.0
        async for item in bus.llm.stream("Say something about otters."):
            if not came and getattr(item, "text", ""):
                came = time.perf_counter() - began
        return came

    def through(name: str, url: str, model: str, pid: int) -> Way:
        client = AsyncOpenAI(base_url=url, api_key="sk-bench", max_retries=0)
        stack.push_async_callback(client.close)
        messages = [{"role": "user", "content": "Say something about otters."}]

        async def whole() -> None:
            await client.chat.completions.create(model=model, messages=messages)  # type: ignore[arg-type]  # a plain dict

        async def first() -> float:
            began = time.perf_counter()
            came = 0.0
            streaming = await client.chat.completions.create(
                model=model,
                messages=messages,  # type: ignore[arg-type]  # a plain dict
                stream=True,
            )
            async for chunk in streaming:
                if not came and chunk.choices and chunk.choices[0].delta.content:
                    came = time.perf_counter() - began
            return came

        return Way(name, whole, first, pid)

    ways = [through(DIRECT, where.upstream, MODEL, 0), Way(OURS, whole, first, where.ours)]
    if where.litellm:
        ways.append(through(PEER, where.litellm, "default", where.litellm_pid))
    return ways


if __name__ == "__main__":
    main()
