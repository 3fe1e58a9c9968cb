import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pepperpy_bus.logs import Log, configure, get_log, hiding
from pepperpy_bus.redaction import escape, redact, scrub

CANARY = "canary-4f1d"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def fail(message: str) -> None:
    raise ValueError(message)


def test_json_is_one_object_a_line_with_event_and_fields(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    log = get_log("pepperpy.worker").bind(task_id="PP_TASKS-7")
    log.info("task.completed", duration_ms=3)
    log.debug("task.hidden")
    (line,) = lines(out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("ts")))
    assert line == {
        "level": "info",
        "logger": "pepperpy.worker",
        "event": "task.completed",
        "task_id": "PP_TASKS-7",
        "duration_ms": 3,
    }


def test_human_lines_have_the_short_name_and_quote_what_has_spaces(out: io.StringIO) -> None:
    configure("debug", "human", stream=out)
    get_log("pepperpy.worker").debug(
        "task.started", topic="echo", note='a "b" c', empty="", flags=[1, None]
    )
    (line,) = out.getvalue().splitlines()
    clock, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", clock)
    assert rest == (
        'DEBUG   worker task.started topic=echo note="a \\"b\\" c" empty="" flags=[1,null]'
    )


def test_every_level_has_its_method(out: io.StringIO) -> None:
    configure("debug", "json", stream=out)
    log = get_log("levels")
    for write in (log.debug, log.info, log.warning, log.error):
        write("said")
    assert [line["level"] for line in lines(out)] == ["debug", "info", "warning", "error"]


def test_binding_leaves_the_first_log_as_it_was(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    log = get_log("a").bind(one=1)
    log.bind(two=2).info("second", one=3)
    log.info("first")
    second, first = lines(out)
    assert (second["one"], second["two"]) == (3, 2)
    assert first["one"] == 1
    assert "two" not in first


def test_a_disabled_level_costs_one_check_and_no_record() -> None:
    class Silent(logging.Logger):
        checks = 0

        def isEnabledFor(self, level: int) -> bool:
            self.checks += 1
            return False

        def handle(self, record: logging.LogRecord) -> None:
            pytest.fail("a record was made")

    logger = Silent("silent")
    log = Log(logger, {})
    log.debug("x", value=object())
    log.info("x")
    log.warning("x")
    log.error("x")
    assert logger.checks == 4


def test_an_exception_comes_with_its_traceback_and_causes(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    try:
        fail("wrong")
    except ValueError:
        get_log("a").exception("task.failed", attempt=2)
    get_log("a").error("task.failed", exc_info=None)
    line, without = lines(out)
    assert line["attempt"] == 2
    assert str(line["exception"]).endswith("ValueError: wrong\n")
    assert "exc_info" not in line
    assert "exception" not in without


def test_a_traceback_for_people_is_indented_and_cannot_forge_a_line(out: io.StringIO) -> None:
    configure("info", "human", stream=out)
    try:
        fail("x\n12:00:00.000 INFO    worker task.completed\x1b[2J")
    except ValueError as error:
        get_log("a").error("task.failed", exc_info=error)
    first, *trace = out.getvalue().splitlines()
    assert first.endswith("ERROR   a task.failed")
    assert all(line.startswith("  | ") for line in trace)
    assert "\x1b" not in out.getvalue()


def test_foreign_loggers_come_out_in_the_same_format(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    logging.getLogger("nats.aio.client").error("lost %s", "nats://me:pw@host:4222")
    (line,) = lines(out)
    assert line["event"] == "lost nats://***@host:4222"
    assert line["logger"] == "nats.aio.client"


def test_a_second_configuration_replaces_the_first(out: io.StringIO) -> None:
    second = io.StringIO()
    configure("debug", "json", stream=out)
    configure("warning", "json", stream=second)
    get_log("a").info("quiet")
    get_log("a").warning("loud")
    assert out.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["loud"]


@pytest.mark.parametrize("format_", ["human", "json"])
def test_values_cannot_forge_lines_or_drive_the_terminal(format_: str, out: io.StringIO) -> None:
    configure("info", format_, stream=out)  # type: ignore[arg-type]  # parametrized
    evil = 'x\r\n{"event":"forged"}\x1b[31m\x9b2J\u2028\u202e\x00'
    get_log(f"evil{evil}").info(f"task.{evil}", **{"note": evil, f"key{evil}": [evil]})
    text = out.getvalue()
    assert len(text.splitlines()) == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)


@given(st.text(), st.text())
def test_any_text_is_one_line_that_json_reads_back(event: str, value: str) -> None:
    out = io.StringIO()
    configure("info", "json", stream=out)
    get_log("a").info(event, note=value)
    (line,) = lines(out)
    assert set(line) == {"ts", "level", "logger", "event", "note"}
    assert "\n" not in escape(value)


def test_lone_surrogates_of_file_names_do_not_break_a_line(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    get_log("a").info("file.\udce9", path="\udce9.md", **{"\udce9": {"\udce9": 1}})
    (line,) = lines(out)
    assert line["path"] == "\\udce9.md"


def test_fields_cannot_hide_the_lines_own_keys(out: io.StringIO) -> None:
    configure("info", "json", stream=out)
    get_log("a").info("said", **{"level": "fatal", "ts": 1})
    (line,) = lines(out)
    assert (line["level"], line["level_"], line["ts_"]) == ("info", "fatal", 1)


def test_colours_are_for_terminals_only_unless_told(out: io.StringIO) -> None:
    for stream, color, expected in (
        (Terminal(), None, True),
        (Terminal(), False, False),
        (out, None, False),
        (io.StringIO(), True, True),
    ):
        configure("info", "human", stream=stream, color=color)
        get_log("a").warning("careful")
        get_log("a").info("plain")
        warned, plain = stream.getvalue().splitlines()
        assert ("\x1b[33m" in warned) is expected
        assert "\x1b" not in plain


def test_auto_is_human_on_a_terminal_and_json_elsewhere(out: io.StringIO) -> None:
    terminal = Terminal()
    configure("info", "auto", stream=terminal)
    get_log("a").info("said")
    configure("info", "auto", stream=out)
    get_log("a").info("said")
    assert terminal.getvalue().endswith("INFO    a said\n")
    assert lines(out)[0]["event"] == "said"


def test_stderr_is_the_default_stream(monkeypatch: pytest.MonkeyPatch, out: io.StringIO) -> None:
    monkeypatch.setattr(sys, "stderr", out)
    configure()
    get_log("a").info("said")
    assert lines(out)[0]["event"] == "said"


class Login(msgspec.Struct):
    user: str
    password: str


@dataclass
class Call:
    api_key: str


SECRETS: list[tuple[str, object]] = [
    ("password", CANARY),
    ("nats_password", CANARY),
    ("accessToken", CANARY),
    ("API-KEY", CANARY),
    ("Authorization", f"Bearer {CANARY}"),
    ("seed", [CANARY]),
    ("any", SecretStr(CANARY)),
    ("any", {"deep": [{"client_secret": CANARY}]}),
    ("any", Login("me", CANARY)),
    ("any", Call(CANARY)),
    ("any", f"nats://me:{CANARY}@host nats://{CANARY}@host"),
    ("any", f"got Authorization: Bearer {CANARY}"),
    ("any", f"authorization='basic {CANARY}'"),
    ("any", f'{{"token": "{CANARY}"}}'),
    ("any", RuntimeError(f"api_key={CANARY}")),
]


@pytest.mark.parametrize("format_", ["human", "json"])
@pytest.mark.parametrize(("key", "value"), SECRETS)
def test_a_secret_is_never_written(key: str, value: object, format_: str, out: io.StringIO) -> None:
    configure("info", format_, stream=out)  # type: ignore[arg-type]  # parametrized
    get_log("a").bind(**{key: value}).info("said")
    get_log("a").error(f"event {value}" if isinstance(value, Call) else "said", exc_info=None)
    try:
        fail(f"cannot open nats://me:{CANARY}@host")
    except ValueError:
        get_log("a").exception("failed", **{key: value})
    assert CANARY not in out.getvalue()
    assert "***" in out.getvalue()


def test_usage_numbers_and_paths_of_secrets_are_not_secrets() -> None:
    assert redact("input_tokens", 12) == 12
    assert redact("token_count", 12) == 12
    assert redact("password_file", "/run/secrets/nats") == "/run/secrets/nats"
    assert redact("ok", True) is True
    assert redact("none", None) is None
    assert scrub("see https://example.org/a@b") == "see https://example.org/a@b"


def test_odd_values_become_text() -> None:
    assert redact("big", 2**80) == str(2**80)
    assert redact("path", Path("a/x")) == "a/x"
    assert redact("nan", float("nan")) == "nan"
    assert redact("deep", {"a": {"b": 1}}, 1) == {"a": "{'b': 1}"}
    assert redact("set", {1}) == [1]


@pytest.mark.parametrize("format_", ["json", "human"])
def test_what_shall_be_hidden_is_so_in_every_text(out: io.StringIO, format_: str) -> None:
    configure("info", format_, stream=out)  # type: ignore[arg-type]  # parametrized
    log = get_log("pepperpy.test")
    with hiding(lambda text: text.replace(CANARY, "***")):
        log.info(f"said {CANARY}", text=CANARY, nested={"inner": ["a", CANARY]}, number=1)
        try:
            raise ValueError(f"one {CANARY}\ntwo {CANARY}")
        except ValueError:
            log.exception("failed")
        assert CANARY not in out.getvalue()
        assert out.getvalue().count("***") >= 5
    log.info(f"said {CANARY}")
    assert CANARY in out.getvalue()
