"""Makes many agents of one kind and registers them; a peer's runs in an environment of its own.

    python benchmarks/thinking/member.py PepperPy|Agno|LangGraph|AutoGen AGENTS [BROKER]

It prints the processor time of each phase as a line of JSON, and waits for a line before it goes
on: who started it reads its memory meanwhile. First come a few agents that are not counted, so
that what is needed once is there.
"""

import asyncio
import gc
import json
import sys
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.thinking.kinds import KINDS

WARM = 10


async def main(name: str, agents: int, broker: str) -> None:
    """Makes the agents and registers them."""
    async with KINDS[name](broker) as kind:
        kept = [await kind.register([kind.make(f"warm-{one}") for one in range(WARM)])]
        await _pause({"version": f"{kind.package} {version(kind.package)}"})
        began = time.process_time()
        made = [kind.make(f"agent-{one}") for one in range(agents)]
        await _pause({"cpu": time.process_time() - began})
        began = time.process_time()
        kept.append(await kind.register(made))
        await _pause({"cpu": time.process_time() - began})
        assert len(kept) == 2


async def _pause(said: Mapping[str, Any]) -> None:
    gc.collect()
    print(json.dumps(said), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    # The prebuilt graph has moved to another package, which says so at each call.
    warnings.filterwarnings("ignore", message="create_react_agent has been moved")
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""))
