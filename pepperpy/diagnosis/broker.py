"""Checks of the broker: reachable, as whom, with which rights, streams, room and clock."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, get_args
from urllib.parse import urlsplit

from pepperpy.diagnosis.abilities import ABILITIES, may, of_role
from pepperpy.diagnosis.finding import Finding, Status
from pepperpy.diagnosis.machine import rounded
from pepperpy.diagnosis.models import check_models
from pepperpy.diagnosis.reach import Reached, reach
from pepperpy.diagnosis.work import check_dead_letters, check_workers
from pepperpy_bus.config import Settings
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.options import connection_options, limits_of
from pepperpy_bus.streams.figures import Usage, account, stream_figures, who_am_i
from pepperpy_bus.streams.provision import Drift, compare
from pepperpy_bus.streams.topology import streams
from pepperpy_bus.trust.principals import ROLES, Role
from pepperpy_bus.units import now
from pepperpy_schemas.errors import PepperError, PermissionDenied, Unreachable
from pepperpy_schemas.subjects import stream_name

NEEDS_BROKER: Final = (
    "login",
    "permissions",
    "streams",
    "storage",
    "clock",
    "workers",
    "dead letters",
    "models",
)
FULL = 0.95
NEARLY_FULL = 0.8
SKEW = 2.0
FAR_TOO_MUCH_SKEW = 30.0

Check = Callable[[Connection, Settings], Awaitable[Finding]]


async def check_broker(settings: Settings) -> AsyncIterator[Finding]:
    """Yields what the broker is found to be; every check is named, made or not."""
    calls = [
        await reach(url, timeout=settings.nats.connect_timeout) for url in settings.nats.servers
    ]
    silent = [f"{one.address}: {one.trouble}" for one in calls if one.trouble]
    if len(silent) == len(calls):
        yield Finding("broker", "fail", "; ".join(silent), _how_to_reach(calls))
        for finding in _skipped(NEEDS_BROKER):
            yield finding
        return
    try:
        async with open_connection(connection_options(settings)) as connection:
            if deaf := await _deaf(connection, settings):
                yield Finding("broker", "ok", f"nats-server {connection.server_version}")
                yield deaf
                for finding in _skipped(NEEDS_BROKER[1:]):
                    yield finding
                return
            yield await _found(connection, silent)
            for name, check in CHECKS.items():
                yield await _made(name, check, connection, settings)
    except PermissionDenied as error:
        yield Finding("broker", "ok", calls[0].address)
        yield Finding("login", "fail", error.message, error.hint)
        for finding in _skipped(NEEDS_BROKER[1:]):
            yield finding
    except PepperError as error:
        yield Finding("broker", "fail", error.message, error.hint)
        for finding in _skipped(NEEDS_BROKER):
            yield finding


async def check_login(connection: Connection, settings: Settings) -> Finding:
    """Says as whom the broker takes this user."""
    user = _user(settings)
    try:
        who = await who_am_i(connection)
        account_ = f" of account {who.account}" if who.account not in ("", "$G") else ""
        user = who.user or user
    except PermissionDenied:
        account_ = ""
    role = f", role {user}" if user in ROLES else ""
    return Finding("login", "ok", f"{user or 'anonymous'}{account_}{role}")


async def check_permissions(connection: Connection, settings: Settings) -> Finding:
    """Says whether this user may do what its role is meant to do."""
    user, prefix = _user(settings), settings.bus.prefix
    role: Role | None = next((one for one in get_args(Role) if one == user), None)
    wanted = of_role(role, prefix) if role else list(ABILITIES)
    denied = [one.what for one in wanted if not await may(connection, one, prefix, user or "anon")]
    allowed = [one.what for one in wanted if one.what not in denied]
    message = f"may {', '.join(allowed) or 'nothing'}"
    if denied:
        message += f"; may not {', '.join(denied)}"
    if not denied:
        return Finding("permissions", "ok", message)
    if role:
        fix = f"give {role} what this says: pepperpy bus roles --role {role}"
        return Finding("permissions", "fail", message, fix)
    if "submit tasks" in allowed:
        return Finding("permissions", "ok", message)
    fix = "log in as a role that may: set PEPPERPY_NATS_USER and PEPPERPY_NATS_PASSWORD"
    return Finding("permissions", "warn", message, fix)


async def check_streams(connection: Connection, settings: Settings) -> Finding:
    """Says whether the streams are there and as declared."""
    declared = streams(settings.bus.prefix, limits_of(settings))
    drifts = await compare(connection, declared)
    missing = [one.stream for one in drifts if one.setting == "stream"]
    differing = [one for one in drifts if one.setting != "stream"]
    if differing:
        stuck = next((one for one in differing if one.fixed), None)
        fix = f"drain and delete {stuck.stream}, then: pepperpy bus apply" if stuck else ""
        return Finding("streams", "fail", _told(differing), fix or "pepperpy bus apply")
    if missing:
        lacking = f"{len(missing)} of {len(declared)} missing: {', '.join(missing)}"
        by_itself = settings.bus.provision == "auto"
        status: Status = "warn" if by_itself else "fail"
        return Finding("streams", status, lacking, "pepperpy bus apply")
    return Finding("streams", "ok", f"{len(declared)} as declared, prefix {settings.bus.prefix}")


async def check_storage(connection: Connection, settings: Settings) -> Finding:
    """Says how full JetStream and the task queue are."""
    parts: list[str] = []
    share = 0.0
    try:
        usage = await account(connection)
        for name, one in (("files", usage.storage), ("memory", usage.memory)):
            parts.append(f"{name} {_of_limit(one)}")
            share = max(share, _share(one.used, one.limit))
    except PermissionDenied:
        parts.append("account figures not permitted")
    tasks = await stream_figures(connection, stream_name(settings.bus.prefix, "TASKS"))
    if tasks is not None:
        parts.append(f"{tasks.messages} task{'s' * (tasks.messages != 1)} waiting or running")
        share = max(
            share,
            _share(tasks.messages, tasks.max_messages),
            _share(tasks.bytes, tasks.max_bytes),
        )
    message = ", ".join(parts)
    if share < NEARLY_FULL:
        return Finding("storage", "ok", message)
    status: Status = "fail" if share >= FULL else "warn"
    return Finding("storage", status, f"{message}: {share:.0%} full", "pepperpy bus info")


async def check_clock(connection: Connection, settings: Settings) -> Finding:
    """Compares this clock with the server's, which stamps every message."""
    before = now()
    figures = await stream_figures(connection, stream_name(settings.bus.prefix, "TASKS"))
    after = now()
    if figures is None or figures.now is None:
        return Finding("clock", "skip", "the server tells its time with a stream, and none is here")
    # The server read its clock at some moment between the two: only what is outside is skew.
    skew = max((before - figures.now).total_seconds(), (figures.now - after).total_seconds(), 0.0)
    ahead = "ahead of" if figures.now < before else "behind"
    if skew < SKEW:
        return Finding("clock", "ok", f"within {max(skew, 0.001):.3g} s of the server's")
    status: Status = "fail" if skew >= FAR_TOO_MUCH_SKEW else "warn"
    message = f"{skew:.3g} s {ahead} the server's"
    return Finding("clock", status, message, "timedatectl set-ntp true, here and on the server")


CHECKS: Final[dict[str, Check]] = {
    "login": check_login,
    "permissions": check_permissions,
    "streams": check_streams,
    "storage": check_storage,
    "clock": check_clock,
    "workers": check_workers,
    "dead letters": check_dead_letters,
    "models": check_models,
}


async def _made(name: str, check: Check, connection: Connection, settings: Settings) -> Finding:
    try:
        return await check(connection, settings)
    except PermissionDenied as error:
        return Finding(name, "skip", error.message, "look as the role operator or monitor")
    except Unreachable:
        raise
    except PepperError as error:
        return Finding(name, "fail", error.message, error.hint)


async def _deaf(connection: Connection, settings: Settings) -> Finding | None:
    """What to say when this user may not hear replies: every other question would time out."""
    try:
        await (await connection.subscribe(connection.new_inbox(), lambda _: None, live=True)).stop()
    except PermissionDenied:
        inbox, user = connection.options.inbox_prefix, _user(settings) or "the anonymous user"
        fix = "export PEPPERPY_NATS_INBOX_PREFIX=the prefix that the broker gives this user"
        return Finding("login", "fail", f"{user} may not hear replies under {inbox}", fix)
    return None


def _skipped(names: tuple[str, ...]) -> list[Finding]:
    return [Finding(name, "skip", "needs the broker") for name in names]


async def _found(connection: Connection, silent: list[str]) -> Finding:
    message = f"nats-server {connection.server_version} at {connection.server}, JetStream"
    with contextlib.suppress(PermissionDenied):
        message += f" API level {(await account(connection)).api_level}"
    if silent:
        return Finding("broker", "warn", f"{message}; but {'; '.join(silent)}", "start those too")
    return Finding("broker", "ok", message)


def _how_to_reach(calls: list[Reached]) -> str:
    local = all(urlsplit(one.address).hostname in _LOOPBACK for one in calls)
    if local:
        return "start one: pepperpy up, or name another: export PEPPERPY_NATS_URL=nats://HOST:4222"
    return "check the address: export PEPPERPY_NATS_URL=nats://HOST:4222, and that the broker runs"


_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _user(settings: Settings) -> str:
    return settings.nats.user or urlsplit(settings.nats.servers[0]).username or ""


def _told(drifts: list[Drift]) -> str:
    first = "; ".join(
        f"{one.stream}.{one.setting} is {one.actual!r}, declared {one.declared!r}"
        for one in drifts[:3]
    )
    return first if len(drifts) <= 3 else f"{first}; and {len(drifts) - 3} more"


def _of_limit(usage: Usage) -> str:
    return rounded(usage.used) + (f" of {rounded(usage.limit)}" if usage.limit > 0 else "")


def _share(used: int, limit: int) -> float:
    return used / limit if limit > 0 else 0.0
