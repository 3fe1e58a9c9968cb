import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.events import listen
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.alerts.alerts import INTERVAL, Alerts
from pepperpy_monitor_svc.alerts.evaluator import SETTLING
from pepperpy_monitor_svc.alerts.stored import Stored
from pepperpy_monitor_svc.metrics.samples import Sample
from pepperpy_schemas.errors import BadConfig, NotFound
from tests.monitor_svc.alerts.receiving import Hook, receiving
from tests.running import until

RULES = """
rules:
  - name: Waits
    kind: threshold
    metric: pepperpy_tasks_waiting
    by: [topic]
    above: 5
    severity: critical
    summary: "{value} tasks of {topic} wait"
"""
NOTIFY = """
receivers:
  hook: {{webhook: "{url}"}}
routes:
  - {{to: [hook], group_by: [alertname], wait: 0s, interval: 0s, repeat: 1h}}
"""


def waiting(**topics: float) -> list[Sample]:
    """So many tasks wait of each topic; nothing else is wrong."""
    found = [Sample("pepperpy_monitor_leads", (), 1.0)]
    for name, value in topics.items():
        found.append(Sample("pepperpy_tasks_waiting", (("topic", name),), value))
        found.append(Sample("pepperpy_topic_workers", (("topic", name),), 1.0))
    return found


class Bench:
    """Alerts of several replicas on one bus, with a clock of the test's own."""

    def __init__(self, client: Client, folder: Path, hook: Hook) -> None:
        self.client = client
        self.hook = hook
        self.now = 1_800_000_000.0
        self._rules = folder / "rules.yaml"
        self._notify = folder / "notify.yaml"
        self._rules.write_text(RULES, "utf-8")
        self.notify(NOTIFY.format(url=hook.url))

    def notify(self, text: str) -> None:
        self._notify.write_text(text, "utf-8")

    def rules(self, text: str) -> None:
        self._rules.write_text(text, "utf-8")

    def replica(self, *, interval: float = INTERVAL) -> Alerts:
        return Alerts(
            self.client,
            rules=self._rules,
            notify=self._notify,
            clock=lambda: self.now,
            interval=interval,
        )

    async def tick(self, alerts: Alerts, *, leads: bool = True, **topics: float) -> None:
        """An evaluation five seconds later, and what it has on its way told or failed."""
        self.now += 5
        await alerts.tick(waiting(**topics), leads=leads)
        notifier = alerts._telling.notifier
        await until(lambda: not notifier._on_way, "notifications on their way", within=15)


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


@pytest.fixture
async def bench(client: Client, tmp_path: Path) -> AsyncIterator[Bench]:
    async with receiving() as hook:
        yield Bench(client, tmp_path, hook)


async def events(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    async for one in listen(
        client.connection, client.prefix, "alert.>", since=timedelta(hours=1), until_end=True
    ):
        found.append((one.verb, one.scope, one.data))
    return found


async def test_an_alert_is_told_when_it_fires_and_when_it_is_over(bench: Bench) -> None:
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        await bench.tick(alerts, orders=8)
        await bench.tick(alerts, orders=1)
        await bench.tick(alerts, orders=1)
        assert bench.hook.told() == [("firing", ["orders"]), ("resolved", ["orders"])]
        fires, ends = bench.hook.bodies()
        assert fires["version"] == "4"
        assert fires["groupKey"] == '{}/{}/0:{alertname="Waits"}'
        assert fires["receiver"] == "hook"
        assert fires["groupLabels"] == {"alertname": "Waits"}
        assert fires["commonAnnotations"] == {"summary": "7 tasks of orders wait"}
        (alert,) = fires["alerts"]
        assert alert["labels"] == {
            "alertname": "Waits",
            "severity": "critical",
            "topic": "orders",
        }
        assert alert["startsAt"] == "2027-01-15T08:00:05.000000Z"
        assert alert["endsAt"] == "0001-01-01T00:00:00Z"
        assert ends["alerts"][0]["endsAt"] == "2027-01-15T08:00:15.000000Z"
        assert ends["alerts"][0]["fingerprint"] == alert["fingerprint"]
        await alerts._telling._emitter.flush()
    told = await events(bench.client)
    assert [(verb, rule) for verb, rule, _ in told] == [
        ("firing", "Waits"),
        ("resolved", "Waits"),
    ]
    assert told[0][2]["severity"] == "critical"


async def test_what_still_fires_is_told_again_only_after_a_while(bench: Bench) -> None:
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        for _ in range(3):
            await bench.tick(alerts, orders=7)
        assert len(bench.hook.posts) == 1
        await bench.tick(alerts, orders=7, mails=9)
        assert bench.hook.told()[1] == ("firing", ["orders", "mails"])
        bench.now += 3600
        await bench.tick(alerts, orders=7, mails=9)
        await bench.tick(alerts, orders=7, mails=9)
        assert len(bench.hook.posts) == 3


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
async def test_a_clock_that_jumps_tells_nothing_twice_and_leaves_nothing_out(
    bench: Bench, jump: float
) -> None:
    """People would be paged for ever of what was over when the machine woke."""
    bench.notify(NOTIFY.format(url=bench.hook.url).replace("repeat: 1h", "repeat: 3d"))
    async with bench.replica() as first:
        await bench.tick(first, orders=7, mails=7)
        bench.now += jump
        await bench.tick(first, orders=7)
        await bench.tick(first, orders=7)
        await bench.tick(first)
    async with bench.replica() as second:
        await bench.tick(second)
        assert not second.active()
    ends = [sorted(topics) for state, topics in bench.hook.told() if state == "resolved"]
    assert ends == [["orders"]]
    over = [
        one["labels"]["topic"]
        for body in bench.hook.bodies()
        for one in body["alerts"]
        if one["status"] == "resolved"
    ]
    assert sorted(over) == ["mails", "orders"]


async def test_who_takes_over_tells_nothing_twice_and_leaves_nothing_out(bench: Bench) -> None:
    async with bench.replica() as first, bench.replica() as second:
        await bench.tick(first, orders=7)
        await bench.tick(second, leads=False, orders=7)
        assert bench.hook.told() == [("firing", ["orders"])]
        # The first one dies; the second one has a new alert, and then the end of the old one.
        await bench.tick(second, orders=7)
        assert len(bench.hook.posts) == 1
        await bench.tick(second, orders=1, mails=9)
        assert len(bench.hook.posts) == 2
        assert bench.hook.told()[1] == ("firing", ["mails", "orders"])
    assert len(await events(bench.client)) == 3


async def test_how_long_it_has_held_is_known_to_who_takes_over(bench: Bench) -> None:
    bench.rules(RULES.replace("above: 5", "above: 5\n    for: 20s"))
    async with bench.replica() as first, bench.replica() as second:
        for _ in range(4):
            await bench.tick(first, orders=7)
        assert [one.state for one in first.active()] == ["pending"]
        # It was started in this moment.
        await bench.tick(second, orders=7)
        assert [one.state for one in second.active()] == ["firing"]
        assert bench.hook.told() == [("firing", ["orders"])]


async def test_what_ends_while_nobody_leads_is_told_by_the_next_one(bench: Bench) -> None:
    async with bench.replica() as first:
        await bench.tick(first, orders=7)
    async with bench.replica() as second:
        await bench.tick(second, orders=1)
        assert bench.hook.told() == [("firing", ["orders"])], "all figures may not be there yet"
        for _ in range(int(SETTLING // 5)):
            await bench.tick(second, orders=1)
        assert bench.hook.told() == [("firing", ["orders"]), ("resolved", ["orders"])]


async def test_one_that_does_not_lead_tells_nobody(bench: Bench) -> None:
    async with bench.replica() as alerts:
        await bench.tick(alerts, leads=False, orders=7)
        assert [one.state for one in alerts.active()] == ["firing"]
        assert bench.hook.posts == []


async def test_what_a_receiver_does_not_take_is_told_again_with_the_same_id(bench: Bench) -> None:
    bench.hook.answers = [503, 429, 302]
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        assert alerts.troubles() == {"hook": "127.0.0.1 answered 503"}
        await bench.tick(alerts, orders=7)
        await bench.tick(alerts, orders=7)
        await bench.tick(alerts, orders=7)
        bench.now += 10
        await bench.tick(alerts, orders=7)
        assert len(bench.hook.posts) == 4
        assert alerts.troubles() == {}
        assert len({headers["webhook-id"] for headers, _ in bench.hook.posts}) == 1


async def test_an_alert_that_ended_before_its_receiver_came_back_is_still_told(
    bench: Bench,
) -> None:
    bench.hook.answers = [500]
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        await bench.tick(alerts, orders=1)
        bench.now += 10
        await bench.tick(alerts, orders=1)
        assert bench.hook.told() == [("firing", ["orders"]), ("resolved", ["orders"])]


async def test_a_receiver_that_does_not_answer_holds_nobody_up(
    bench: Bench, tmp_path: Path
) -> None:
    bench.notify(
        NOTIFY.format(url=bench.hook.url).replace('"}', '", timeout: 1s}') + "  - {to: [hook]}\n"
    )
    bench.hook.open.clear()
    async with bench.replica() as alerts:
        bench.now += 5
        await alerts.tick(waiting(orders=7), leads=True)
        assert [one.state for one in alerts.active()] == ["firing"]
        await bench.tick(alerts, orders=7)
        assert alerts.troubles() == {"hook": "127.0.0.1 did not answer in 1 s"}


async def test_a_silence_hides_alerts_from_people_on_every_replica(bench: Bench) -> None:
    async with bench.replica() as first, bench.replica() as second:
        made = await second.silence(
            ["alertname=Waits", "topic=ord*"], duration="1h", by="ana", comment="known"
        )
        assert (made.by, made.matchers) == ("ana", ["alertname=Waits", "topic=ord*"])
        await until(first.silences, "the silence at the other replica", within=10)
        # It begins by the clock that alerts go by, whatever that of this machine says.
        assert made.starts.timestamp() == bench.now
        await bench.tick(first, orders=7, mails=7)
        assert bench.hook.told() == [("firing", ["mails"])]
        hidden = {one.labels["topic"]: one.silence for one in first.active()}
        assert hidden == {"orders": made.id, "mails": ""}
        await first.unsilence(made.id)
        await bench.tick(first, orders=7, mails=7)
        status, topics = bench.hook.told()[1]
        assert (status, sorted(topics)) == ("firing", ["mails", "orders"])
        with pytest.raises(NotFound, match="no silence 'nonsense'"):
            await first.unsilence("nonsense")


@pytest.mark.parametrize(
    ("matchers", "duration", "told"),
    [
        ([], "1h", "a silence without labels would hide every alert"),
        (["topic"], "1h", "'topic' says nothing of a label"),
        (["topic=~a.*"], "1h", "'topic=~a.*' says nothing of a label"),
        (["topic=a", "topic=b"], "1h", "topic is there twice"),
        (["topic=a"], "0s", "'0s' is no time for a silence"),
        (["topic=a"], "5y", "'5y'"),
    ],
)
async def test_a_silence_that_cannot_be_meant_is_refused(
    bench: Bench, matchers: list[str], duration: str, told: str
) -> None:
    async with bench.replica() as alerts:
        with pytest.raises(BadConfig) as refused:
            await alerts.silence(matchers, duration=duration, by="ana")
        assert told in str(refused.value)
        assert alerts.silences() == []


@pytest.mark.parametrize("years", [2, 7972])
async def test_a_silence_of_another_age_is_refused(bench: Bench, years: int) -> None:
    far = datetime(2027 + years, 12, 31, 23, 59, tzinfo=UTC)
    async with bench.replica() as alerts:
        with pytest.raises(BadConfig, match="within a year"):
            await alerts.silence(["topic=a"], duration="3d", by="ana", starts=far)


async def test_who_could_not_be_told_is_no_trouble_once_that_is_over(bench: Bench) -> None:
    bench.hook.answers += [503] * 3
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        assert alerts.troubles() == {"hook": "127.0.0.1 answered 503"}
        bench.notify("receivers: {}\n")
        await alerts.reload()
        assert alerts.troubles() == {}, "there is no such receiver any more"
        elsewhere = NOTIFY.format(url=bench.hook.url).replace("to:", "match: {a: b}, to:")
        bench.notify(elsewhere)
        await alerts.reload()
        assert alerts.troubles()
        bench.now += 3700
        await bench.tick(alerts, orders=7)
        assert alerts.troubles() == {}, "nothing is to be told there any more"


async def test_an_alert_that_another_one_explains_is_not_told(bench: Bench) -> None:
    bench.rules(
        RULES + "inhibit:\n  - source: {alertname: BusDown}\n    target: {alertname: Waits}\n"
        "shipped:\n  BusDown: {for: 0s}\n"
    )
    async with bench.replica() as alerts:
        bench.now += 5
        down = [*waiting(orders=7), Sample("pepperpy_broker_up", (), 0.0)]
        await alerts.tick(down, leads=True)
        await bench.hook.has(1)
        await bench.tick(alerts, orders=7)
        assert bench.hook.bodies()[0]["groupLabels"] == {"alertname": "BusDown"}
        (first,) = [
            one for one in bench.hook.bodies() if one["groupLabels"] == {"alertname": "Waits"}
        ]
        # Once the broker is back it is told after all.
        assert first["status"] == "firing"


async def test_storing_that_takes_too_long_is_waited_for_once_and_not_for_each_alert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def stands_still(_self: Stored, key: str, *_: object) -> None:
        tried.append(key)
        await asyncio.sleep(600)

    monkeypatch.setattr(Stored, "_write", stands_still)
    async with bench.replica(interval=1.0) as alerts:
        await alerts.tick(waiting(**{f"topic{n}": 7 for n in range(20)}), leads=True)
        await bench.hook.has(1)
        assert len(tried) == 1
    ((_, topics),) = bench.hook.told()
    assert len(topics) == 20


async def test_nothing_is_over_because_the_broker_is_away(bench: Bench) -> None:
    """Its figures are gone with it, and come a moment after it; what they told of is not over."""
    async with bench.replica() as alerts:
        up, down = (Sample("pepperpy_broker_up", (), value) for value in (1.0, 0.0))
        await alerts.tick([up, *waiting(orders=7)], leads=True)
        await bench.hook.has(1)
        for leads, connected, one in ((True, False, down), (False, False, down), (True, True, up)):
            bench.now += 5
            await alerts.tick([one, *waiting()], leads=leads, connected=connected)
        bench.now += 5
        await alerts.tick([up, *waiting(orders=7)], leads=True)
        await until(lambda: not alerts._telling.notifier._on_way, "notifications", within=15)
        assert bench.hook.told() == [("firing", ["orders"])]
        for _ in range(int(SETTLING // 5) + 1):
            await bench.tick(alerts)
        assert bench.hook.told()[1:] == [("resolved", ["orders"])]


async def test_alerts_of_the_broker_are_told_though_the_lease_went_with_it(bench: Bench) -> None:
    bench.rules(RULES + "shipped:\n  BusDown: {for: 10s}\n")
    async with bench.replica() as alerts:
        up = [Sample("pepperpy_broker_up", (), 1.0), *waiting()]
        down = [Sample("pepperpy_broker_up", (), 0.0), *waiting(orders=7)]
        await alerts.tick(up, leads=True)
        for _ in range(4):
            bench.now += 5
            await alerts.tick(down, leads=False, connected=False)
        await bench.hook.has(1)
        assert [one["commonLabels"]["alertname"] for one in bench.hook.bodies()] == ["BusDown"]
        await until(lambda: not alerts._telling.notifier._on_way, "its notification", within=10)
        bench.now += 5
        await alerts.tick(up, leads=False, connected=True)
        await bench.hook.has(2)
        assert [one["status"] for one in bench.hook.bodies()] == ["firing", "resolved"]


async def test_a_test_goes_through_to_the_receivers_and_is_marked(bench: Bench) -> None:
    async with bench.replica() as alerts:
        reply = await alerts.test("Waits", {"topic": "orders"}, by="ana")
        assert [(one.receiver, one.error) for one in reply.delivered] == [
            ("bus", ""),
            ("hook", ""),
        ]
        assert reply.alert.labels["test"] == "true"
        fires, ends = bench.hook.bodies()
        assert (fires["status"], ends["status"]) == ("firing", "resolved")
        assert fires["commonAnnotations"]["summary"].startswith("[TEST by ana]")
        assert alerts.active() == []
        bench.hook.answers = [401]
        reply = await alerts.test("Waits", {}, by="ana")
        assert reply.delivered[1].error == "127.0.0.1 answered 401"
        with pytest.raises(NotFound, match="no rule 'Wait'"):
            await alerts.test("Wait", {}, by="ana")
        with pytest.raises(BadConfig, match="have no label 'topik'; they have topic"):
            await alerts.test("Waits", {"topik": "orders"}, by="ana")


async def test_rules_are_read_again_and_alerts_go_on(bench: Bench) -> None:
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7)
        bench.rules(RULES.replace("above: 5", "above: 6"))
        await alerts.reload()
        await bench.tick(alerts, orders=7)
        assert len(bench.hook.posts) == 1
        bench.rules("rules: [")
        with pytest.raises(BadConfig):
            await alerts.reload()
        await bench.tick(alerts, orders=7)
        assert [one.state for one in alerts.active()] == ["firing"]
        bench.rules("rules: []")
        await alerts.reload()
        await bench.tick(alerts, orders=7)
        assert bench.hook.told()[1] == ("resolved", ["orders"])


async def test_rules_show_what_they_look_at_and_what_is_wrong(bench: Bench) -> None:
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7, mails=float("nan"))
        rows = {one.name: one for one in alerts.rules()}
        assert (rows["Waits"].series, rows["Waits"].firing) == (2, 1)
        assert rows["Waits"].trouble == "1 values of pepperpy_tasks_waiting are no numbers"
        assert rows["Waits"].condition == "(sum by (topic) (pepperpy_tasks_waiting) > 5)"
        assert rows["BusDown"].origin == "shipped.yaml"


async def test_routes_send_alerts_by_their_labels(bench: Bench) -> None:
    text = """
receivers:
  hook: {{webhook: "{url}"}}
  other: {{webhook: "{url}", resolved: false}}
routes:
  - {{match: {{topic: orders}}, to: [hook], wait: 0s, interval: 0s, continue: true}}
  - {{match: {{severity: critical}}, to: [other], group_by: [topic], wait: 10s, interval: 0s}}
  - {{to: [hook], wait: 0s}}
"""
    bench.notify(text.format(url=bench.hook.url))
    async with bench.replica() as alerts:
        await bench.tick(alerts, orders=7, mails=7)
        assert [one["receiver"] for one in bench.hook.bodies()] == ["hook"]
        await bench.tick(alerts, orders=7, mails=7)
        await bench.tick(alerts, orders=7, mails=7)
        others = [one for one in bench.hook.bodies() if one["receiver"] == "other"]
        assert sorted(one["groupLabels"]["topic"] for one in others) == ["mails", "orders"]
        await bench.tick(alerts, orders=1, mails=1)
        assert len([one for one in bench.hook.bodies() if one["receiver"] == "other"]) == 2


async def test_nothing_of_the_address_or_the_secrets_is_logged(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very-s3cret-key\n", "utf-8")
    secret.chmod(0o600)
    text = NOTIFY.format(url=bench.hook.url).replace(
        '"}', '", secret_file: secret, bearer_file: secret}'
    )
    bench.notify(text)
    bench.hook.answers = [500]
    with caplog.at_level("DEBUG"):
        async with bench.replica() as alerts:
            await bench.tick(alerts, orders=7)
            bench.notify(text.replace(bench.hook.url, "http://127.0.0.1:1/s3cret-path"))
            await alerts.reload()
            bench.now += 10
            await bench.tick(alerts, orders=7)
    assert "alerts.not_told" in caplog.text
    assert "s3cret" not in caplog.text
    assert bench.hook.posts[0][0]["authorization"] == "Bearer very-s3cret-key"
