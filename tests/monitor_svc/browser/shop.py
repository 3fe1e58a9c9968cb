"""The agents of a small shop, for a dashboard to have something to show."""

import asyncio
from typing import Any

from pepperpy import Agent, Context

clerk = Agent("clerk", version="1.4.0")
courier = Agent("courier", version="0.9.2")


@clerk.task("orders", retries=1)
async def take_order(order: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Looks whether it is there, asks where that is wanted, and has it packed."""
    stock = await ctx.step("look into the store", _count, order["item"])
    await ctx.progress(0.3, "it is there")
    if order.get("ask"):
        answer = await ctx.ask(order["ask"], choices=order.get("choices", []))
        if answer == "no":
            return {"sent": False}
    parcels = [
        await ctx.submit("parcels", {"item": order["item"]}) for _ in range(order.get("parcels", 1))
    ]
    packed = await ctx.gather(*parcels)
    return {"sent": True, "stock": stock, "parcels": packed}


@clerk.task("invoices", retries=0)
async def write_invoice(invoice: dict[str, Any]) -> str:
    """Fails where the invoice says with what."""
    if "fails" in invoice:
        raise ValueError(invoice["fails"])
    return f"invoice {invoice['number']}"


@clerk.task("night-shift", retries=0)
async def watch_over_night(seconds: float) -> None:
    """Takes so long that somebody can cancel it."""
    await asyncio.sleep(seconds)


@courier.task("parcels", retries=0)
async def pack(parcel: dict[str, Any]) -> dict[str, Any]:
    """Takes a moment."""
    await asyncio.sleep(0.02)
    return {"packed": parcel["item"]}


async def _count(item: str) -> int:
    return len(item)
