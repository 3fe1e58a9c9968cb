from pathlib import Path

import pytest

from pepperpy_monitor_svc.alerts.reading import read_rules, read_text
from pepperpy_monitor_svc.alerts.receivers import read_notifying
from pepperpy_schemas.errors import BadConfig

WAITING = """\
rules:
  - name: OrdersWait
    kind: threshold
    metric: pepperpy_tasks_waiting
    where: {topic: "orders-*"}
    by: [topic]
    above: 50
    for: 2m
    summary: "{value} tasks of {topic} wait"
"""


def complaint(text: str) -> str:
    with pytest.raises(BadConfig) as refused:
        read_text(text, origin="my.yaml")
    return str(refused.value)


def test_a_rule_of_ones_own_stands_beside_those_that_are_shipped(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WAITING, "utf-8")
    rules = read_rules(path).rules
    assert len(rules) == len(read_rules(None).rules) + 1
    condition = rules["OrdersWait"].condition
    assert condition is not None
    assert condition.promql() == (
        '(sum by (topic) (pepperpy_tasks_waiting{topic=~"orders-.*"}) > 50)'
    )


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("shipped:\n  BusDown: {for: 1m}\n", "utf-8")
    (tmp_path / "b.yml").write_text("shipped:\n  BusDown: {for: 2m}\n" + WAITING, "utf-8")
    (tmp_path / "notes.txt").write_text("no rules", "utf-8")
    rules = read_rules(tmp_path).rules
    assert rules["BusDown"].rule.for_ == 120
    assert rules["BusDown"].rule.severity == "critical"
    assert rules["BusDown"].origin.endswith("b.yml")
    assert "OrdersWait" in rules


def test_a_shipped_rule_is_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("shipped:\n  CostBudgetBurn: false\n", "utf-8")
    assert "CostBudgetBurn" not in read_rules(path).rules


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("kind: treshold", "kind: threshold", "my.yaml:3: rules[0].kind: 'treshold' is no kind"),
        ("metrik:", "metric:", "did you mean metric?"),
        (
            "metric: pepperpy_task_waiting",
            "metric: pepperpy_tasks_waiting",
            "my.yaml:4: rules[0].metric: there is no metric 'pepperpy_task_waiting'; "
            "did you mean pepperpy_tasks_waiting?",
        ),
        ("above: lots", "above: 50", "my.yaml:7: rules[0].above: 'lots': "),
        ("above: .nan", "above: 50", "my.yaml:7: rules[0].above: nan: "),
        ("for: soon", "for: 2m", "my.yaml:8: rules[0].for: "),
        ("for: 1500ms", "for: 2m", "give whole seconds"),
        ("above: 50\n    below: 3", "above: 50", "give above or below, one of them"),
        ("above: 50\n    resolve: 60", "above: 50", "resolve lies on the border's other side"),
        ("{values} tasks", "{value} tasks", "'{values}' is no place; there is alertname"),
        ("{value.__class__} tasks", "{value} tasks", "'{value.__class__}' is no place"),
        ("{topic!r} tasks", "{value} tasks", "'{topic!r}' is no place"),
        ("{value tasks", "{value} tasks", "a brace stands alone"),
        ("by: [topic, topic]", "by: [topic]", "a label is there twice"),
        ("by: [severity]", "by: [topic]", "the label severity is the alert's own"),
        ("by: ['to pic']", "by: [topic]", "give the name of a label"),
        ('{topic: {no: "a"}}', '{topic: "orders-*"}', "give a text, a list of texts"),
        ("name: 'a b'", "name: OrdersWait", "my.yaml:2: rules[0].name: 'a b'"),
    ],
)
def test_each_slip_is_told_with_its_line_its_field_and_the_cure(
    wrong: str, right: str, told: str
) -> None:
    assert told in complaint(WAITING.replace(right, wrong))


def test_all_slips_of_a_file_are_told_at_once() -> None:
    second = WAITING.removeprefix("rules:\n").replace("above", "abov")
    text = WAITING.replace("50", "lots") + second
    lines = complaint(text).splitlines()
    assert lines[0].startswith("my.yaml:7: ")
    assert any(one.startswith("my.yaml:15: rules[1].abov: there is no such key") for one in lines)


def test_a_change_of_a_shipped_rule_is_complained_about_in_the_file_that_makes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("shipped:\n  BusDown:\n    for: x\n", "utf-8")
    with pytest.raises(BadConfig, match=rf"{path}:3: shipped.BusDown.for: "):
        read_rules(path)
    path.write_text("shipped:\n  BusDwn: {for: 1m}\n", "utf-8")
    with pytest.raises(BadConfig, match=r":2: .*did you mean BusDown\?"):
        read_rules(path)


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WAITING.replace("OrdersWait", "BusDown"), "utf-8")
    with pytest.raises(BadConfig, match="there is a rule BusDown already"):
        read_rules(path)


def test_a_rule_over_events_says_what_is_wrong_with_it() -> None:
    text = "rules:\n  - {name: A, kind: event, within: 1m, repeated: task.failed.*}\n"
    assert "my.yaml:2: rules[0]: " in complaint(text)
    assert "times" in complaint(text)
    assert "my.yaml:2: " in complaint(text.replace("task.failed.*", "[task.failed, 'data.x = 1']"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("receivers: {a: {webhook: ftp://x/y}}", "give an address such as"),
        ("receivers: {a: {webhook: 'http://me:pw@x/y'}}", "use bearer_file"),
        ("receivers: {a: {command: 'page --token me:pw'}}", "receivers.a.command: "),
        ("receivers: {a: {webhook: 'http://[x/y'}}", "receivers.a.webhook: "),
        ("receivers: {a: {webhook: 'http://x:99999/'}}", "receivers.a.webhook: "),
        ("receivers: {a: {}}", "give webhook, webhook_file or command"),
        ("receivers: {a: {command: [x], secret_file: s}}", "belong to a webhook"),
        ("receivers: {a: {command: [x]}}", "nobody would be told"),
        (
            "receivers: {a: {command: [x]}}\nroutes: [{to: [b]}]",
            "routes[0] names b; receivers are a",
        ),
        ("receivers: {a: {comand: [x]}}", "did you mean command?"),
        ("receivers: {a: {webhook_file: none}}\nroutes: [{to: [a]}]", "cannot be read"),
        ("receivers: {a: {webhook: 'http://x', secret_file: none}}\nroutes: [{to: [a]}]", "none"),
    ],
)
def test_a_file_of_notifications_says_what_is_wrong_with_it(
    text: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadConfig) as refused:
        read_notifying(path)
    assert told in str(refused.value)
    assert "me:pw" not in str(refused.value)
