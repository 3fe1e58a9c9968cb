import time

import pytest

from pepperpy_agents.task import event_task, read_task
from pepperpy_bus.events import Heard
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.delivery import Delivery, from_message
from pepperpy_schemas.messages import Event

NOBODY: Connection = None  # type: ignore[assignment]  # nothing is sent here


def delivery(
    subject: str = "pp.task.echo", deliveries: int = 1, time_ns: int = 0, **headers: str
) -> Delivery:
    reply = f"$JS.ACK.PP_TASKS.w_echo.{deliveries}.7.9.{time_ns}.0"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_message(Message(subject, b"null", named, reply), NOBODY)


def test_a_bare_subject_gives_the_id_of_its_place_in_the_stream() -> None:
    task, wrong = read_task(delivery(), "echo")
    assert (task.id, task.chosen, wrong) == ("PP_TASKS-7", False, None)


def test_the_last_token_of_the_subject_is_the_id() -> None:
    task, wrong = read_task(delivery("pp.task.echo.t1"), "echo")
    assert (task.id, task.chosen, wrong) == ("t1", False, None)


@pytest.mark.parametrize("subject", ["pp.task.echo", "pp.task.echo.t1"])
def test_the_header_is_stronger_and_means_that_the_caller_chose(subject: str) -> None:
    task, wrong = read_task(delivery(subject, pp_id="mine"), "echo")
    assert (task.id, task.chosen, wrong) == ("mine", True, None)


@pytest.mark.parametrize("bad", ["a.b", "a b", "*", "x" * 65, "../x", "ä"])
def test_an_invalid_id_gets_an_address_for_its_refusal(bad: str) -> None:
    task, wrong = read_task(delivery(pp_id=bad), "echo")
    assert (task.id, task.chosen) == ("PP_TASKS-7", False)
    assert wrong is not None
    assert wrong.context == {"header": "Pp-Id"}


def test_an_invalid_last_token_gets_an_address_for_its_refusal() -> None:
    task, wrong = read_task(delivery("pp.task.echo.tä"), "echo")
    assert task.id == "PP_TASKS-7"
    assert wrong is not None
    assert "tä" in str(wrong)


def test_an_unreadable_header_is_told_apart_from_the_id() -> None:
    task, wrong = read_task(delivery("pp.task.echo.t1", pp_timeout_ms="-5"), "echo")
    assert task.id == "t1"
    assert wrong is not None
    assert "-5" in str(wrong)


def test_the_root_is_the_first_of_the_family() -> None:
    assert read_task(delivery("pp.task.echo.t1"), "echo")[0].root == "t1"
    assert read_task(delivery("pp.task.echo.t1", pp_root="r"), "echo")[0].root == "r"


def test_the_deadline_counts_from_the_servers_receipt() -> None:
    stored = time.time_ns() - 3_000_000_000
    task, _ = read_task(delivery(time_ns=stored, pp_timeout_ms="5000"), "echo")
    assert task.deadline_ns == stored + 5_000_000_000
    left = task.seconds_left(ServerClock(NOBODY, "pp"))
    assert left is not None
    assert 1.0 < left < 2.1


def test_without_a_timeout_there_is_no_deadline() -> None:
    task, _ = read_task(delivery(), "echo")
    assert task.deadline_ns is None
    assert task.seconds_left(ServerClock(NOBODY, "pp")) is None


def test_only_a_second_delivery_is_a_redelivery() -> None:
    assert not read_task(delivery(), "echo")[0].redelivered
    assert read_task(delivery(deliveries=2), "echo")[0].redelivered


def test_an_event_is_the_cause_of_what_its_listener_does() -> None:
    event = Event("e1", ts=__import__("datetime").datetime.now(), correlation="r", priority="high")
    task = event_task(Heard("task", "failed", "echo", "t1", event), delivery())
    assert (task.id, task.topic, task.root) == ("t1", "echo", "r")
    assert task.headers.priority == "high"
