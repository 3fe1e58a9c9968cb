"""One journal entry after the other by hand: a publish that names the last one, and its PubAck."""

import sys
import time

import nats

from benchmarks.contenders import roles

SUBJECT = "journal.entries"


async def client(url: str) -> None:
    """Publishes so many messages, each when the one before is acknowledged."""
    nc = await nats.connect(url.split(","))
    js = nc.jetstream()
    await js.add_stream(name="JOURNAL", subjects=[f"{SUBJECT}.*"])
    runs = 0

    async def run_many(count: int, in_flight: int) -> list[float]:  # noqa: ARG001 - one at a time
        nonlocal runs
        runs += 1
        last, latencies = 0, []
        for _ in range(count):
            began = time.perf_counter()
            headers = {"Nats-Expected-Last-Subject-Sequence": str(last)}
            last = (await js.publish(f"{SUBJECT}.{runs}", roles.BODY, headers=headers)).seq
            latencies.append(time.perf_counter() - began)
        return latencies

    await roles.answer_orders(run_many)


if __name__ == "__main__":
    roles.run(client(sys.argv[2]))
