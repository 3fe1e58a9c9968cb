import asyncio
import base64
import hashlib
import hmac
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pepperpy_monitor_svc.alerts import program, webhook
from pepperpy_monitor_svc.alerts.grouping import Group, News, groups, mark, news
from pepperpy_monitor_svc.alerts.labels import fingerprint
from pepperpy_monitor_svc.alerts.payload import MAX_ALERTS, payload
from pepperpy_monitor_svc.alerts.receivers import Receiver, Route
from pepperpy_schemas.alerts import Alert, Told
from pepperpy_schemas.errors import Unavailable
from tests.monitor_svc.alerts.receiving import receiving
from tests.running import gone, until

SAID: dict[str, Any] = {"status": "firing", "alerts": [{"labels": {"topic": "orders"}}]}


def command(script: str, *arguments: str, timeout: float = 10) -> Receiver:
    return Receiver(command=(sys.executable, "-c", script, *arguments), timeout=timeout)


async def test_notifications_that_a_program_appends_are_lines(tmp_path: Path) -> None:
    out = tmp_path / "told"
    for number in (1, 2):
        await program.run(Receiver(command=("tee", "-a", str(out))), SAID, f"msg_{number}")
    assert len([json.loads(one) for one in out.read_text().splitlines()]) == 2


async def test_a_program_gets_the_notification_on_its_stdin(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    await program.run(command(script, str(out)), SAID, "msg_1")
    assert json.loads(out.read_text()) == SAID


async def test_a_program_has_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_PASSWORD", "s3cret")
    out = tmp_path / "out"
    script = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    await program.run(command(script, str(out)), SAID, "msg_1")
    found = json.loads(out.read_text())
    assert "PEPPERPY_NATS_PASSWORD" not in found
    assert found["PEPPERPY_ALERT_ID"] == "msg_1"
    assert found["PEPPERPY_ALERT_STATUS"] == "firing"


async def test_no_shell_reads_the_arguments_of_a_program(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import json, sys; json.dump(sys.argv[2:], open(sys.argv[1], 'w'))"
    odd = ["$(id)", "; rm -rf x", "a b", "`date`"]
    await program.run(command(script, str(out), *odd), SAID, "msg_1")
    assert json.loads(out.read_text()) == odd


async def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    script = "import sys; sys.exit('no \\x1b[31mpager: password=hunter2')"
    with pytest.raises(Unavailable, match=r"ended with 1: no \\x1b\[31mpager: password=\*\*\*"):
        await program.run(command(script), SAID, "msg_1")
    with pytest.raises(Unavailable, match="none-such cannot be started"):
        await program.run(Receiver(command=("none-such",)), SAID, "msg_1")


async def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""
    with pytest.raises(Unavailable, match="took longer than 2 s: ended"):
        await program.run(command(script, str(pids), timeout=2), SAID, "msg_1")
    for pid in map(int, pids.read_text().split()):
        await until(partial(gone, pid), f"the end of {pid}", within=10)


async def test_what_a_program_leaves_behind_is_ended_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
"""
    await program.run(command(script, str(pids)), SAID, "msg_1")
    pid = int(pids.read_text())
    await until(lambda: gone(pid), f"the end of {pid}", within=10)


async def test_a_program_that_reads_nothing_and_says_much_is_no_danger() -> None:
    script = "import os\nfor _ in range(300): os.write(2, b'x' * 10000)"
    big = {"status": "firing", "text": "x" * 1_000_000}
    await program.run(command(script), big, "msg_1")


async def test_a_program_goes_with_who_is_canceled(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    script = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    running = asyncio.create_task(program.run(command(script, str(pids)), SAID, "m"), name="run")
    await until(lambda: pids.exists() and pids.read_text(), "the program's start", within=10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(int(pids.read_text()))


@pytest.mark.parametrize(
    "secret",
    ["a plain text", "whsec_" + base64.b64encode(b"32 bytes of a real secret, maybe").decode()],
)
async def test_a_webhook_is_signed_as_standard_webhooks_are(secret: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(secret, "utf-8")
    path.chmod(0o600)
    async with receiving() as hook, aiohttp.ClientSession() as session:
        receiver = Receiver(webhook=hook.url, secret_file=path)
        await webhook.post(session, receiver, SAID, "msg_1", clock=lambda: 1_800_000_000.5)
    ((headers, body),) = hook.posts
    assert json.loads(body) == SAID
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", "1800000000")
    # As a receiver checks it, by the specification.
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    wanted = hmac.new(key, b"msg_1.1800000000." + body, hashlib.sha256).digest()
    version, given = headers["webhook-signature"].split(",")
    assert version == "v1"
    assert hmac.compare_digest(base64.b64decode(given), wanted)


async def test_a_webhook_without_a_secret_is_not_signed() -> None:
    async with receiving() as hook, aiohttp.ClientSession() as session:
        await webhook.post(session, Receiver(webhook=hook.url), SAID, "msg_1")
    assert "webhook-signature" not in hook.posts[0][0]


@pytest.mark.parametrize("status", [301, 302, 400, 404, 500, 503])
async def test_what_is_not_taken_is_said_without_the_path_and_not_followed(status: int) -> None:
    async with receiving() as hook, aiohttp.ClientSession() as session:
        hook.answers = [status]
        with pytest.raises(Unavailable) as failed:
            await webhook.post(session, Receiver(webhook=hook.url), SAID, "msg_1")
    assert str(failed.value) == f"127.0.0.1 answered {status}"
    assert len(hook.posts) == 1


async def test_nobody_at_an_address_is_said_without_the_path() -> None:
    async with aiohttp.ClientSession() as session:
        receiver = Receiver(webhook="http://127.0.0.1:1/s3cret")
        with pytest.raises(Unavailable, match=r"^127\.0\.0\.1 was not reached: [A-Za-z]+$"):
            await webhook.post(session, receiver, SAID, "msg_1")


# --- groups ---------------------------------------------------------------------------------------


def alert(topic: str, *, fired: float = 100.0, resolved: float | None = None) -> Alert:
    labels = {"alertname": "A", "severity": "warning", "topic": topic}
    state = "firing" if resolved is None else "resolved"
    return Alert(
        id=fingerprint(labels),
        rule="A",
        state=state,  # type: ignore[arg-type]  # one of both
        labels=labels,
        since=fired,
        fired=fired,
        resolved=resolved,
    )


ROUTE = Route(to=("hook",), wait=10, interval=60, repeat=600)


def group(*alerts: Alert) -> Group:
    return next(one for one in groups([ROUTE], alerts) if one.receiver == "hook")


def told(at: float, *alerts: Alert) -> Told:
    return Told(receiver="hook", group="g", at=at, alerts={one.id: mark(one) for one in alerts})


def test_the_first_of_a_group_waits_for_others() -> None:
    one, two = alert("a"), alert("b", fired=105.0)
    assert news(group(one), None, {}, 109.0) is None
    found = news(group(one, two), None, {}, 110.0)
    assert found is not None
    assert found.firing == [one, two]


def test_what_ended_while_it_waited_is_never_told() -> None:
    assert news(group(alert("a", resolved=105.0)), None, {}, 200.0) is None
    tried = [alert("a").id]
    found = news(group(alert("a", resolved=105.0)), None, {}, 200.0, tried=tried)
    assert found is not None
    assert [one.state for one in found.resolved] == ["resolved"]


def test_a_group_is_told_anew_after_its_interval_and_repeated_after_longer() -> None:
    one, two = alert("a"), alert("b", fired=150.0)
    assert news(group(one, two), told(110.0, one), {}, 169.0) is None
    assert news(group(one, two), told(110.0, one), {}, 170.0) is not None
    assert news(group(one), told(110.0, one), {}, 709.0) is None
    assert news(group(one), told(110.0, one), {}, 710.0) is not None


def test_the_same_alert_that_fires_again_is_news() -> None:
    before, again = alert("a"), alert("a", fired=300.0)
    found = news(group(again), told(110.0, before), {}, 300.0)
    assert found is not None
    assert found.told.alerts == {again.id: "300.000"}


def test_the_end_of_what_is_hidden_now_is_told_to_who_knows_it() -> None:
    one = alert("a")
    hidden = {one.id: "silence"}
    assert news(group(one), told(110.0, one), hidden, 10_000.0) is None
    over = alert("a", resolved=120.0)
    found = news(group(over), told(110.0, one), hidden, 10_000.0)
    assert found is not None
    assert found.told.alerts == {}


def test_a_notification_names_no_more_alerts_than_its_bound() -> None:
    many = [alert(f"t{n}") for n in range(MAX_ALERTS + 7)]
    said = payload(News(group(*many), many, [], told(0.0)))
    assert len(said["alerts"]) == MAX_ALERTS
    assert said["truncatedAlerts"] == 7
    assert said["commonLabels"] == {"alertname": "A", "severity": "warning"}


def test_the_fingerprint_is_alertmanagers() -> None:
    # prometheus/common, model/signature_test.go
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"name": "garland, briggs", "fear": "love is not enough"}) == (
        f"{5799056148416392346:016x}"
    )
