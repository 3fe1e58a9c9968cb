"""What happens in the shop: tasks of every kind, and what models took."""

from pepperpy_bus.sync import SyncClient
from tests.monitor_svc.browser.deployment import eventually

HOSTILE = "<img src=x onerror=\"window.hacked='img'\"><script>window.hacked='script'</script>"


def seed(bus: SyncClient) -> dict[str, str]:
    """Has tasks in every state; returns some of their ids by what is special about them."""
    done = bus.submit("orders", {"item": "black pepper", "parcels": 3}, id="order-black-pepper")
    asks = bus.submit(
        "orders",
        {"item": "long pepper", "ask": "Send 40 kg to Malta?", "choices": ["yes", "no"]},
        id="order-long-pepper",
    )
    runs = bus.submit("night-shift", 600, id="night-shift-1")
    failed = [
        bus.submit("invoices", {"number": n, "fails": f"the printer refused page {n}"})
        for n in range(3)
    ]
    for n in range(10):
        bus.submit("invoices", {"number": n})
    bus.submit("nobody-works-on-this", {"n": 1}, id="waits-for-a-worker")
    _ask_models(bus)
    bus.result(done, wait="30s")
    eventually(lambda: bus.question(asks))
    for one in failed:
        bus.ended(one, wait="30s")
    return {"done": done, "asks": asks, "runs": runs, "failed": failed[0]}


def seed_hostile(bus: SyncClient) -> str:
    """Has HTML in every text that a stranger may write; returns the task that failed with it."""
    failed = bus.submit("invoices", {"number": HOSTILE, "fails": HOSTILE}, id="hostile-failed")
    bus.submit("orders", {"item": HOSTILE, "ask": HOSTILE, "choices": [HOSTILE]}, id="hostile-asks")
    with bus.emitter() as emitter:
        emitter.emit("note", "written", scope="shop", id="hostile", data={HOSTILE: HOSTILE})
        emitter.emit(
            "llm",
            "failed",
            scope="hostile",
            id="m1",
            data={"target": HOSTILE, "tenant": HOSTILE, "principal": HOSTILE, "code": HOSTILE},
        )
    bus.ended(failed, wait="30s")
    eventually(lambda: bus.question("hostile-asks"))
    return failed


def seed_many(bus: SyncClient, number: int) -> None:
    """Tells of many tasks that have ended, as their workers would."""
    with bus.emitter() as emitter:
        for n in range(number):
            emitter.emit(
                "task",
                "completed",
                scope="bulk",
                id=f"bulk-{n:05}",
                attempt=1,
                data={"instance": "clerk/many", "duration_ms": n % 900},
            )


def _ask_models(bus: SyncClient) -> None:
    with bus.emitter() as emitter:
        for n in range(12):
            model = ("openai/gpt-5-mini", "anthropic/claude-haiku", "local/smollm")[n % 3]
            emitter.emit(
                "llm",
                "completed",
                scope="chat",
                id=f"ask-{n}",
                data={
                    "target": model,
                    "tenant": "shop",
                    "principal": "clerk",
                    "usage": {"input_tokens": 900 + n, "output_tokens": 120, "cached_tokens": 64},
                    "usd": 0.0021 * (n % 3),
                    "ms": 700 + 40 * n,
                    "first_ms": 180 + n,
                },
            )
