import json
import signal
from pathlib import Path

import pytest

from tests.cli.command_line import Cli
from tests.cli.inline import Inline

SHOP = """
from pathlib import Path

from pepperpy import Agent, Context

agent = Agent("shop")


async def reserve(sku: str) -> str:
    return sku + "-1"


@agent.task("pack")
async def pack(n: int) -> int:
    return n


@agent.task("order", retries=0)
async def order(data: dict, ctx: Context) -> dict:
    place = await ctx.step("reserve", reserve, data["sku"])
    if Path("broken").exists():
        raise RuntimeError("the bank is away\\x1b[2J")
    packed = await ctx.run("pack", 3)
    return {"place": place, "packed": packed, "amount": data.get("amount", 1)}
"""
OTHER = """
from pepperpy import Agent, Context

agent = Agent("shop", version="2.0.0")


@agent.task("order")
async def order(data: dict, ctx: Context) -> dict:
    place = await ctx.step("reserve", print)
    return {"place": place, "packed": await ctx.run("pack"), "amount": data["amount"] // 10 * 10}
"""


@pytest.fixture
def shop(cli: Cli, tmp_path: Path) -> Cli:
    """A worker of orders, and another version of it in a file."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "other.py").write_text(OTHER)
    cli.start("worker", "shop.py:agent")
    return cli


def order(cli: Cli, *fields: str) -> str:
    done = cli.run("publish", "order", "sku=tea", *fields, "--no-check", "--wait=20s", "--json")
    return str(json.loads(done.stdout)["id"])


def test_explain_tells_the_story_and_rerun_goes_on_with_it(shop: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    old = order(shop)
    shown = shop.run("explain", old)
    assert shown.returncode == 0, shown.stderr
    head, *lines = shown.stdout.splitlines()
    assert head.startswith(f"order {old}  failed in ")
    assert any("by         cli/ana" in line for line in lines)
    assert any("1  step reserve" in line for line in lines)
    assert any("failed in attempt 1 after" in line for line in lines)
    assert any("handler_error: RuntimeError: the bank is away" in line for line in lines)
    assert "\x1b" not in shown.stdout

    (tmp_path / "broken").unlink()
    again = shop.json("rerun", old, "--unfinished", "--set", "amount=3")
    new = again["new_id"]
    assert again["task_id"] == old
    end = shop.json("result", new, "--wait=20s")
    assert end["data"] == {"place": "tea-1", "packed": 3, "amount": 3}
    told = shop.run("explain", new, "--children").stdout
    assert f"repeats    {old} from place 2 on" in told
    assert f"1  step reserve  done by {old}" in told
    assert "waits for a child" in told
    assert "    pack " in told
    story = shop.json("explain", new, "--children")
    (child,) = story["children"]
    assert (child["topic"], child["explanation"]["state"]) == ("pack", "completed")

    waited = shop.run("rerun", old, "--from-step", "reserve", "--set", "sku=salt", "--wait=20s")
    assert json.loads(waited.stdout)["place"] == "salt-1"


def test_what_is_wrong_with_a_rerun_is_said(inline: Inline) -> None:
    assert inline.run("explain", "never") == 1
    assert "error: no task never" in inline.err
    assert inline.run("rerun", "never") == 1
    assert inline.run("rerun", "x", "--from-step", "1", "--unfinished") == 2
    assert inline.run("rerun", "x", "--set", "amount") == 2
    assert "customer.name=Ana" in inline.err


def test_a_queued_task_is_explained(inline: Inline) -> None:
    assert inline.run("publish", "later", "n:=1", "--id", "mine", "--no-check") == 0
    story = inline.json("explain", "mine")
    assert (story["state"], story["topic"], "attempts" in story) == ("submitted", "later", False)


def test_shadow_compares_live_tasks_and_says_so_by_its_exit_code(shop: Cli) -> None:
    order(shop, "amount:=10")
    lines = shop.start("shadow", "order", "--agent", "other.py:agent", "--count", "2")
    documents = shop.start("shadow", "order", "--agent", "other.py:agent", "--json")
    for shadow in (lines, documents):
        assert shadow.stderr is not None
        while "listening to the tasks of order" not in shadow.stderr.readline():
            assert shadow.poll() is None
    for amount in (20, 25):
        same = order(shop, f"amount:={amount}")
    out, _ = lines.communicate(timeout=20)
    assert lines.returncode == 1
    first, second, place, summary = out.splitlines()
    assert (first.split()[0], second.split()[:2]) == ("equal", ["different", same])
    assert place.strip() == "$.data.amount: 25 → 20"
    assert summary.startswith("1 equal, 1 different")

    assert documents.stdout is not None
    order(shop, "amount:=35")
    told = json.loads(documents.stdout.readline())
    assert told["task"]["verdict"] in ("equal", "different")
    documents.send_signal(signal.SIGINT)
    out, _ = documents.communicate(timeout=20)
    assert "summary" in json.loads(out.splitlines()[-1])
    assert documents.returncode == 130


def test_shadow_refuses_an_agent_without_the_topic(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(OTHER)
    refused = cli.run("shadow", "report", "--agent", "other.py:agent")
    assert refused.returncode == 1
    assert "agent shop has no task 'report'" in refused.stderr
    assert "it has: order" in refused.stderr
