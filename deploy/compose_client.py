"""A client outside the containers: submits tasks and waits for every result.

The connection comes from PEPPERPY_NATS_… as for every process; see scripts/compose-test.
"""

# ruff: noqa: T201 - a script that says how it went

import asyncio
import sys
from collections import Counter

from pepperpy import Client, connect
from pepperpy_schemas.errors import error_from_info

TOPIC = "digest"
PATHS = ("examples/digest/agent.py", "examples/digest/run.py", "examples/digest/report.py")
WAIT = "90s"  # three times what the broker waits for a worker that fell silent


async def main(tasks: int, pause: float) -> int:
    """Returns 0 when every task, of so many seconds, has a good result."""
    async with connect(source="compose-test") as bus:
        ends = await asyncio.gather(
            *(attempt_of(bus, PATHS[n % len(PATHS)], pause) for n in range(tasks)),
            return_exceptions=True,
        )
    failures = [end for end in ends if isinstance(end, BaseException)]
    attempts = Counter(end for end in ends if isinstance(end, int))
    repeated = sum(n for attempt, n in attempts.items() if attempt > 1)
    print(f"{attempts.total()} of {tasks} results, {repeated} of them at a repeated attempt")
    for failure in failures[:5]:
        print(f"  {type(failure).__name__}: {failure}", file=sys.stderr)
    return int(bool(failures))


async def attempt_of(bus: Client, path: str, pause: float) -> int:
    """Runs one task to its good end; returns the attempt that ended it."""
    task = await bus.submit(TOPIC, {"path": path, "pause": pause})
    ended = await bus.ended(task, wait=WAIT)
    if ended.result.error is not None:
        raise error_from_info(ended.result.error)
    return ended.attempt


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]))))
