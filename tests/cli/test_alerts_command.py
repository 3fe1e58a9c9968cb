import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from tests.cli.command_line import Cli
from tests.cli.inline import Inline
from tests.monitor_svc.monitors import Start, guarded, monitors, operator  # noqa: F401 - fixtures
from tests.requirements import missing
from tests.running import until

RULES = """\
shipped:
  NoWorkersForTopic: {for: 0s}
rules:
  - name: OrdersWait
    kind: threshold
    metric: pepperpy_tasks_waiting
    by: [topic]
    above: 1000
    summary: "{value} tasks of {topic} wait"
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, "utf-8")
    return path


def test_files_are_checked_without_a_bus(inline: Inline, rules: Path, tmp_path: Path) -> None:
    assert inline.run("alerts", "check", str(rules)) == 0
    assert inline.out == "21 rules, 20 of them shipped, 0 receivers: all well\n"
    told = inline.json("alerts", "check", str(rules))
    assert told == {"rules": 21, "shipped": 20, "receivers": 0, "errors": []}
    rules.write_text(RULES.replace("above: 1000", "abov: 1000").replace("0s", "soon"), "utf-8")
    notify = tmp_path / "notify.yaml"
    notify.write_text("receivers: {a: {webhook: here}}\n", "utf-8")
    assert inline.run("alerts", "check", str(rules), "--notify", str(notify)) == 1
    assert inline.out == ""
    told = inline.err.splitlines()
    assert any(f"{rules}:2: shipped.NoWorkersForTopic.for: " in line for line in told)
    assert any(f"{rules}:8: rules[0].abov: there is no such key" in line for line in told)
    assert any(f"{notify}:1: receivers.a.webhook: give an address" in line for line in told)
    assert told[-1] == "  hint: every key is described in docs/how-to/alerts.md"
    assert inline.run("alerts", "check", str(rules), "--json") == 1
    assert len(json.loads(inline.out)["errors"]) == 2


def test_rules_are_exported_for_prometheus(inline: Inline, rules: Path, tmp_path: Path) -> None:
    assert inline.run("alerts", "export", str(rules)) == 0
    document = yaml.safe_load(inline.out)
    (group,) = document["groups"]
    assert {one["alert"] for one in group["rules"]} >= {"BusDown", "OrdersWait"}
    assert inline.json("alerts", "export", str(rules)) == document
    program = shutil.which("promtool")
    if program is None:
        missing("promtool is not installed: scripts/install-system-packages")
    path = tmp_path / "out.yml"
    path.write_text(inline.out, "utf-8")
    assert subprocess.run([program, "check", "rules", str(path)], check=False).returncode == 0


async def test_alerts_are_listed_silenced_and_tested(
    guarded: Broker,  # noqa: F811 - the fixture
    operator: Client,  # noqa: F811 - the fixture
    monitors: Start,  # noqa: F811 - the fixture
    rules: Path,
    tmp_path: Path,
) -> None:
    cli = Cli(guarded.url_for("operator"), operator.prefix, tmp_path)
    producer = Cli(guarded.url_for("producer"), operator.prefix, tmp_path)
    monitor = monitors(PEPPERPY_MONITOR_RULES=str(rules))
    await monitor.says("monitor.complete")
    await operator.submit("orders", {"n": 1})
    await until(lambda: cli.json("alerts", "ls"), "an alert", within=40)

    (row,) = cli.json("alerts", "ls", "--rule", "NoWorkersForTopic")
    assert (row["state"], row["severity"]) == ("firing", "critical")
    assert row["labels"]["topic"] == "orders"
    table = producer.run("alerts", "ls").stdout.splitlines()
    assert table[0].split() == [
        *("RULE", "STATE", "SEVERITY", "LABELS", "SINCE", "HIDDEN", "BY", "SUMMARY")
    ]
    assert "No worker takes the tasks of orders; waiting: 1." in table[1]
    assert cli.json("alerts", "ls", "--severity", "info") == []

    listed = {one["name"]: one for one in cli.json("alerts", "rules")}
    assert (listed["NoWorkersForTopic"]["firing"], listed["OrdersWait"]["series"]) == (1, 1)
    shown = cli.run("alerts", "rules", "OrdersWait").stdout
    assert "(sum by (topic) (pepperpy_tasks_waiting) > 1000)" in shown
    assert cli.run("alerts", "rules", "OrderWait").returncode == 1

    matchers = ["alertname=NoWorkersForTopic", "topic=ord*"]
    refused = producer.run("alerts", "silence", *matchers)
    assert refused.returncode == 1
    assert "producer may not publish to" in refused.stderr
    made = cli.json("alerts", "silence", *matchers, "--for", "2h", "--why", "new workers come")
    assert (made["by"], made["comment"]) == ("operator", "new workers come")
    (row,) = cli.json("alerts", "ls")
    assert row["silence"] == made["id"]
    assert made["id"] in producer.run("alerts", "silences").stdout
    unknown = cli.run("alerts", "rules", "NoSuch")
    assert unknown.returncode == 1
    assert unknown.stderr.splitlines() == [
        "error: there is no rule NoSuch",
        "  hint: pepperpy alerts rules lists them",
    ]
    assert cli.run("alerts", "unsilence", made["id"]).stdout == f"silence {made['id']} has ended\n"
    (row,) = cli.json("alerts", "ls")
    assert row["silence"] == ""
    wrong = cli.run("alerts", "silence", "topic=~x")
    assert wrong.returncode != 0
    assert "hint: write topic=billing-*" in wrong.stderr

    tested = cli.json("alerts", "test", "OrdersWait", "--label", "topic=orders")
    assert [one["receiver"] for one in tested["delivered"]] == ["bus"]
    assert tested["alert"]["labels"]["test"] == "true"
    assert cli.run("alerts", "test", "OrdersWait").stdout.splitlines()[1].split()[:2] == [
        "bus",
        "yes",
    ]
    done = {one["action"] for one in cli.json("audit", "search", "--limit", "100")["items"]}
    assert done >= {"silence", "unsilence", "alert-test"}
