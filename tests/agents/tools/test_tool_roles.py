"""Who may offer tools, who may call them, and as whom: the broker decides."""

from collections.abc import Callable

import pytest

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_agents.tools import Toolbox, ToolUse, tool
from pepperpy_agents.tools.services import discover, serve_tools
from pepperpy_bus.services.calls import call
from pepperpy_bus.trust.principals import ANONYMOUS, ROLES
from pepperpy_bus.trust.roles import ASK_TOOLS, permissions
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import PermissionDenied
from pepperpy_schemas.tools import ToolReply, ToolRequest


@tool
def whoami(use: ToolUse) -> str:
    """Tells who calls."""
    return use.caller


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    return broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)


async def test_workers_offer_tools_and_those_who_may_call_them_do_under_their_own_name(
    guarded: Broker,
) -> None:
    async with (
        connect(guarded.url_for("operator")) as operator,
        connect(guarded.url_for("worker")) as worker,
        connect(guarded.url_for("worker")) as other,
        serve_tools(worker, [whoami]),
    ):
        for client, name in ((operator, "operator"), (other, "worker")):
            box = Toolbox(await discover(client), grants=["service"])
            result = await box.run(ToolCall("1", "whoami", "{}"), ToolUse(caller="posing"))
            assert (result.content, result.error) == (name, False)
        with pytest.raises(PermissionDenied):
            await call(
                other.connection,
                other.prefix,
                "tool",
                "whoami",
                ToolRequest(),
                principal="operator",
                type=ToolReply,
            )


@pytest.mark.parametrize("name", [ANONYMOUS, *sorted(set(ROLES) - set(ASK_TOOLS))])
async def test_others_may_neither_call_nor_offer_tools(guarded: Broker, name: str) -> None:
    url = guarded.url if name == ANONYMOUS else guarded.url_for(name)
    async with (
        connect(guarded.url_for("operator")),
        connect(guarded.url_for("worker")) as worker,
        serve_tools(worker, [whoami]),
        connect(url) as client,
    ):
        with pytest.raises(PermissionDenied):
            await call(
                client.connection,
                client.prefix,
                "tool",
                "whoami",
                ToolRequest(),
                principal=name,
                type=ToolReply,
            )
        with pytest.raises(PermissionDenied):
            async with serve_tools(client, [whoami]):
                pass


def test_a_worker_writes_to_the_inboxes_of_those_alone_who_may_call_tools() -> None:
    answered = [one for one in permissions("worker").publish if one.startswith("_INBOX")]
    assert sorted(answered) == ["_INBOX_operator.>", "_INBOX_worker.>"]
    named = permissions("worker", principal="shop", principals=[*ROLES, ANONYMOUS, "shop"])
    assert "_INBOX_shop.>" in named.publish
    assert "_INBOX_producer.>" not in named.publish
