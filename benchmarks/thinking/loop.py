"""What the loop of an agent that thinks adds to a model's answer, and what a tool's call costs.

The provider service runs as its command does, and answers from a file at once. Three tasks take
turns in one worker: bare requests, the loop, calls of the tool alone. The loop's time is that from
one call of its tool to the next one: a turn with its call, without the task's begin and end.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.brokers import scratch
from benchmarks.parts.ground import Figures, Ground, python, until
from pepperpy_schemas.errors import PepperError

AGENT = "benchmarks/thinking/loop_agent.py:agent"
WARM = 2
_WAIT = 120


async def loop(ground: Ground) -> Figures:
    """Times tasks in turn; medians over rounds of the medians within a task."""
    rounds: list[tuple[tuple[float, float], ...]] = []
    with _served(ground):
        await until(lambda: _answered(ground))
        for turn in range(WARM + ground.samples):
            request = await ground.bus.run("bare", wait=_WAIT)
            await ground.bus.run("thinker", "Take notes.", wait=_WAIT)
            whole = await ground.bus.run("turns", wait=_WAIT)
            call = await ground.bus.run("calls", wait=_WAIT)
            if turn >= WARM:
                rounds.append((request, whole, call))
    figures: Figures = {}
    for place, kind in enumerate(("p50", "cpu")):
        found = [tuple(one[place] for one in each) for each in rounds]
        added = [whole - request - call for request, whole, call in found]
        figures[f"llm_{kind}_ms"] = median(request for request, _, _ in found)
        figures[f"turn_added_{kind}_ms"] = median(added)
        figures[f"tool_call_{kind}_ms"] = median(call for _, _, call in found)
        figures[f"turn_{kind}_vs_llm"] = median(
            (whole - call) / request for request, whole, call in found
        )
    return figures


async def _answered(ground: Ground) -> bool:
    try:
        return bool(await ground.bus.llm.models(timeout=1))
    except (PepperError, TimeoutError):
        return False


@contextmanager
def _served(ground: Ground) -> Iterator[None]:
    """Runs a provider service whose model always calls the tool, and a worker."""
    with scratch("loop") as folder:
        call = {"name": "note", "arguments": {"text": "an otter"}}
        # JSON is YAML.
        (folder / "script.yaml").write_text(json.dumps([{"text": "So.", "tool_calls": [call]}]))
        declaration = folder / "models.toml"
        declaration.write_text(
            '[providers.played]\nkind = "scripted"\nscript = "script.yaml"\n'
            '[models.default]\ntargets = ["played/one"]\n'
        )
        provider = ("-m", "pepperpy", "provider", "run", "--declaration", str(declaration))
        worker = ("-m", "pepperpy", "worker", AGENT)
        with python(*provider, broker=ground.broker), python(*worker, broker=ground.broker):
            yield
