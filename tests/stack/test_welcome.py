import re
import shlex

import pytest

from pepperpy.commands._body import body_of
from pepperpy.stack.services import workers
from pepperpy.stack.welcome import Ready, example, welcome
from pepperpy_schemas.codec import decode
from pepperpy_schemas.learning import LearnRequest
from pepperpy_schemas.learning_online import OnlineExample, OnlineOptions, OnlineQuestion
from pepperpy_schemas.resource_plans import ScheduleProblem
from pepperpy_schemas.rules import RulesProblem


def ready(**changes):
    usual = {
        "url": "nats://127.0.0.1:4222",
        "seconds": 0.94,
        "prefix": "pp",
        "bodies": {"echo": {"text": "…"}},
        "context": "local",
        "folder": "/data",
        "kept": False,
        "own": True,
        "pids": {"broker": 1, "worker.1": 2},
    }
    return Ready(**{**usual, **changes})


def test_the_commands_need_no_url_at_the_default_port():
    text = welcome(ready())
    assert "PepperPy is up in 0.9 s: nats://127.0.0.1:4222, 1 worker\n" in text
    assert "pepperpy publish echo 'text=…' --wait" in text
    assert """nats req pp.task.echo '{"text":"…"}'""" in text
    assert "pepperpy --context local top" in text
    assert "/data (removed at the end; keep it with --persist DIR)" in text


def test_an_object_without_required_fields_is_given_as_a_whole():
    assert "pepperpy publish echo '{}' --wait" in welcome(ready(bodies={"echo": {}}))


def test_of_stock_agents_a_problem_is_proposed_that_has_something_in_it():
    bodies = {"reason-abductive": {"explain": []}, "reason-rules": {"query": "…"}}
    text = welcome(ready(bodies=bodies))
    assert "pepperpy publish reason-rules 'rules=rain. wet :- rain.' query=wet --wait" in text
    assert "publish trip" in welcome(ready(bodies={**bodies, "trip": {}}))
    assert "publish plan-trip" in welcome(ready(bodies={"plan-trip": {}}))


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("reason-rules", RulesProblem),
        ("plan-schedule", ScheduleProblem),
        ("learn-online", LearnRequest[OnlineExample, OnlineQuestion, OnlineOptions]),
    ],
)
def test_what_is_proposed_is_what_a_stock_agent_takes(topic, kind):
    """The command's fields are the body, as `pepperpy publish` reads them."""
    text = welcome(ready(bodies={topic: {}}))
    words = shlex.split(re.search(f"publish {topic} (.*) --wait", text)[1])
    assert decode(body_of(words, None), kind)


def test_a_small_model_is_called_what_it_is():
    asking = "pepperpy chat 'Say hello.'"
    assert f"{asking}   # (small local model, answers poorly)\n" in welcome(
        ready(models=True, small=True)
    )
    assert f"{asking}\n" in welcome(ready(models=True))


def test_the_commands_name_another_port_and_prefix():
    text = welcome(ready(url="nats://127.0.0.1:5", prefix="t1", bodies={"n": 1}, kept=True))
    assert "pepperpy --nats nats://127.0.0.1:5 publish n 1 --wait" in text
    assert "nats -s nats://127.0.0.1:5 req t1.task.n 1" in text
    assert "/data (kept)" in text


@pytest.mark.parametrize(
    ("own", "command"), [(True, "pepperpy up agent.py:agent"), (False, "pepperpy worker agent.py")]
)
def test_without_workers_it_says_how_to_start_one(own, command):
    text = welcome(ready(bodies={}, own=own, pids={"broker": 1} if own else {}, context=""))
    assert "no worker yet" in text
    assert command in text
    assert "pepperpy top" in text


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "array"}, []),
        ({"type": "object", "properties": {"a": {}}}, {}),
        ({"anyOf": [{"type": "string"}]}, "…"),
        (
            {
                "$ref": "#/$defs/T",
                "$defs": {
                    "T": {
                        "type": "object",
                        "required": ["n", "u", "ok"],
                        "properties": {
                            "n": {"type": "integer"},
                            "u": {"$ref": "#/$defs/U"},
                            "ok": {"type": "boolean"},
                        },
                    },
                    "U": {"type": "object"},
                },
            },
            {"n": 1, "u": {}, "ok": True},
        ),
    ],
)
def test_an_example_holds_what_the_schema_requires(schema, body):
    assert example(schema) == body


def names(*agents: str, copies: int = 1) -> list[str]:
    return [child.name for child in workers(agents, copies)]


def test_workers_are_named_after_what_tells_them_apart():
    assert names("x.py:agent", copies=2) == ["worker.1", "worker.2"]
    assert names("shop.agent:agent", "mail.py:agent", "a.b:triage") == [
        "shop.1",
        "mail.1",
        "triage.1",
    ]
    assert names("a/x.py:agent", "b/x.py:agent") == ["x-1.1", "x-2.1"]


def test_a_reloading_worker_is_told_to_end_with_the_stack_and_others_are_killed():
    (plain,) = workers(["x.py"], 1)
    (reloading,) = workers(["x.py"], 1, reload=True)
    assert plain.orphan_signal.name == "SIGKILL"
    assert reloading.orphan_signal.name == "SIGTERM"
    assert reloading.command[-1] == "--reload"


def test_the_dashboard_is_shown_with_the_token_of_those_who_act():
    text = welcome(ready(dashboard="http://127.0.0.1:8230", token_file="/data/token"))
    assert "http://127.0.0.1:8230   # (to act there: the token in /data/token)\n" in text
    assert "http://127.0.0.1:8230\n" in welcome(ready(dashboard="http://127.0.0.1:8230"))
    assert "dashboard" not in welcome(ready())
    assert "no dashboard: aiohttp" in welcome(ready(no_monitor="no dashboard: aiohttp"))
