"""What tasks share: a lease taken and given back, a value changed, beside the raw bucket."""

from itertools import count

from benchmarks.parts.ground import Figures, Ground, in_turn


async def leases(ground: Ground) -> Figures:
    """Times acquire and release, of a resource and of the raw bucket: a key made and deleted."""
    bucket = await ground.raw.jetstream().create_key_value(bucket="bench_leases")
    resources = ground.bus.resources
    await resources.define("gpu", capacity=4)
    names = map(str, count())

    async def hold() -> None:
        async with resources.acquire("gpu"):
            pass

    async def by_hand() -> None:
        name = next(names)
        await bucket.create(name, b"1")
        await bucket.delete(name)

    ours, raw = await in_turn(10 * ground.samples, hold, by_hand)
    return {
        "lease_p50_ms": ours.p50,
        "lease_p99_ms": ours.p99,
        "lease_vs_kv": ours.p50 / raw.p50,
    }


async def updates(ground: Ground) -> Figures:
    """Times the change of a value, of an agent's state and of the raw bucket: get, then update."""
    bucket = await ground.raw.jetstream().create_key_value(bucket="bench_values")
    await bucket.put("count", b"0")
    state = ground.bus.agent_state("bench")

    async def by_hand() -> None:
        entry = await bucket.get("count")
        number = str(int(entry.value or b"0") + 1).encode()
        await bucket.update("count", number, last=entry.revision)

    async def change() -> None:
        await state.update("count", lambda number: (number or 0) + 1)

    ours, raw = await in_turn(10 * ground.samples, change, by_hand)
    return {
        "update_p50_ms": ours.p50,
        "update_p99_ms": ours.p99,
        "update_vs_kv": ours.p50 / raw.p50,
    }
