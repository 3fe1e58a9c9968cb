"""`pepperpy chat`, `models` and `provider`, against a service that says what a test gives it."""

import builtins
import contextlib
import io
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_bus.opening import connect
from pepperpy_schemas.chat import Ack, ChatMessage, Delta, End, Reset
from pepperpy_schemas.errors import ContextTooLong
from tests.bus.model_service import HOLD, MODEL, USAGE, Models, answer
from tests.cli.command_line import Cli
from tests.cli.inline import Inline


@contextlib.asynccontextmanager
async def serving(models: Models, url: str, prefix: str) -> AsyncIterator[None]:
    async with connect(url, bus__prefix=prefix) as own, models.service(own.connection, prefix):
        await own.connection.flush()
        yield


@pytest.fixture
def models(broker: Broker, prefix: str) -> Iterator[Models]:
    """A provider service beside the test."""
    one = Models()
    with LoopThread(serving(one, broker.url, prefix), name="models"):
        yield one


class Typed:
    """What a person types, line by line; an exception is what a key raises."""

    def __init__(self, *lines: str | BaseException) -> None:
        self._lines = iter(lines)

    def __call__(self, prompt: str = "") -> str:
        line = next(self._lines)
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`terminal("Hi.", "/quit")` is a person at a terminal who types this."""

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    def sit(*lines: str | BaseException) -> None:
        monkeypatch.setattr(sys, "stdin", Keyboard())
        monkeypatch.setattr("pepperpy.commands._output.is_live", lambda: True)
        monkeypatch.setattr(builtins, "input", Typed(*lines))

    return sit


# --- one question -------------------------------------------------------------------------------


def test_a_question_is_answered_on_stdout_and_its_cost_said_on_stderr(
    inline: Inline, models: Models
) -> None:
    assert inline.run("chat", "Say hello.", "--system", "Be brief.", "--temperature", "0") == 0
    assert inline.out == "Hello there.\n"
    assert inline.err.startswith(f"{MODEL} · 7 tokens in, 5 out · $0.002 · ")
    (asked,) = models.asked
    assert asked.messages == [ChatMessage("system", "Be brief."), ChatMessage("user", "Say hello.")]
    assert (asked.model, asked.temperature, asked.no_restart) == ("default", 0.0, True)


def test_a_question_may_be_piped_in(cli: Cli, models: Models) -> None:
    done = cli.run("chat", "-m", "zoo/owl", "--max-tokens", "9", stdin="Say hello.\n")
    assert (done.returncode, done.stdout) == (0, "Hello there.\n"), done.stderr
    (asked,) = models.asked
    assert asked.messages == [ChatMessage("user", "Say hello.\n")]
    assert (asked.model, asked.max_tokens) == ("zoo/owl", 9)


def test_the_whole_answer_is_printed_as_json(inline: Inline, models: Models) -> None:
    models.usd = None
    document = inline.json("chat", "Say hello.")
    assert document["text"] == "Say hello."
    assert document["usage"] == {"input_tokens": 7, "output_tokens": 5}
    assert (document["finish"], document["model"], document["usd"]) == ("stop", MODEL, None)


def test_without_a_question_or_a_terminal_it_says_what_to_do(
    inline: Inline, cli: Cli, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli.run("chat", stdin="\n")
    assert done.returncode == 2
    assert "the question is empty" in done.stderr
    terminal()
    assert inline.run("chat", "--json") == 2
    assert "a conversation needs a terminal" in inline.err
    monkeypatch.setattr("pepperpy.commands._output.is_live", lambda: False)
    assert inline.run("chat") == 2


def test_where_nobody_serves_models_the_fix_is_said(
    inline: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_bus.llm.client.START", 0.1)
    for command in (["chat", "Hi."], ["models"], ["provider", "status"]):
        assert inline.run(*command) == 1
        assert "error: nobody serves models" in inline.err
        assert "pepperpy provider run, or pepperpy up" in inline.err


def test_an_answer_that_breaks_is_a_failure(inline: Inline, models: Models) -> None:
    models.items = [Ack(1), Delta(2, text="Once upon")]
    assert inline.run("chat", "Hi.") == 1
    assert inline.out == "Once upon\n"
    assert "before its end" in inline.err


def test_why_an_answer_stopped_is_said_and_control_characters_are_kept_from_the_terminal(
    inline: Inline, models: Models, terminal: Any
) -> None:
    end = End(4, "length", USAGE, MODEL, None, cached=True)
    models.items = [Ack(1), Delta(2, text="a\x1b[2J"), Delta(3, text="\nb\n"), end]
    terminal()
    assert inline.run("chat", "Hi.") == 0
    assert inline.out == "a\\x1b[2J\nb\n"
    assert "price unknown" in inline.err
    assert "a stored answer · stopped at the limit of tokens" in inline.err


# --- a conversation -----------------------------------------------------------------------------


def test_a_conversation_goes_on_from_what_was_said(
    inline: Inline, models: Models, terminal: Any
) -> None:
    terminal("Hi.", "", "/what", "And now?", "/reset", "Again.", "/quit")
    assert inline.run("chat", "--system", "Be brief.") == 0
    system, hello = ChatMessage("system", "Be brief."), ChatMessage("assistant", "Hello there.")
    first, second, third = (request.messages for request in models.asked)
    assert first == [system, ChatMessage("user", "Hi.")]
    assert second == [*first, hello, ChatMessage("user", "And now?")]
    assert third == [system, ChatMessage("user", "Again.")]
    assert inline.out == "Hello there.\n" * 3
    assert inline.err.count("/reset to begin anew") == 2
    assert not models.asked[0].no_restart


def test_an_answer_that_begins_anew_is_told_and_only_its_last_form_remembered(
    inline: Inline, models: Models, terminal: Any
) -> None:
    end = End(5, "stop", USAGE, MODEL, 0.5)
    reset = Reset(3, "upstream_failed", "it broke")
    models.items = [Ack(1), Delta(2, text="Wrong"), reset, Delta(4, text="Right"), end]
    terminal("Hi.", "More.", EOFError())
    assert inline.run("chat") == 0
    assert inline.out.startswith("Wrong\nRight\n")
    assert "— the answer begins anew: it broke —" in inline.err
    assert models.asked[1].messages[1] == ChatMessage("assistant", "Right")


def test_an_error_does_not_end_the_conversation(
    inline: Inline, models: Models, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.items = [Ack(1), Delta(2, text="Once"), ContextTooLong("9000 tokens of 8192")]

    class Mended(Typed):
        def __call__(self, prompt: str = "") -> str:
            line = super().__call__(prompt)
            if line == "Short.":
                models.items = answer("Yes.")
            return line

    terminal()
    typed = Mended("Long.", "Short.", KeyboardInterrupt())
    monkeypatch.setattr(builtins, "input", typed)
    assert inline.run("chat") == 0
    assert "error: 9000 tokens of 8192" in inline.err
    assert models.asked[1].messages == [ChatMessage("user", "Short.")]
    assert inline.out == "Once\nYes.\n\n"


def test_ctrl_c_stops_the_answer_and_then_leaves(cli: Cli, models: Models) -> None:
    models.items = [Ack(1), Delta(2, text="Once upon a time"), HOLD]
    here, there = os.openpty()
    process = cli.start("chat", stdin=there, stdout=there)
    os.close(there)
    screen = Screen(here)
    try:
        screen.until("> ")
        os.write(here, b"Tell me.\n")
        screen.until("Once upon a time")
        process.send_signal(signal.SIGINT)
        screen.until("> ")
        assert models.canceled.is_set()
        os.write(here, b"More?\n")
        screen.until("Once upon a time")
        process.send_signal(signal.SIGINT)
        screen.until("> ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        os.close(here)
    assert process.stderr is not None
    assert process.stderr.read().count("stopped\n") == 2
    said = ChatMessage("assistant", "Once upon a time")
    assert models.asked[1].messages[1:] == [said, ChatMessage("user", "More?")]


class Screen:
    """What a terminal shows."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        os.set_blocking(handle, False)
        self._shown = ""

    def until(self, text: str, within: float = 15.0) -> None:
        """Reads until a text appears, and forgets what came before it."""
        end = time.monotonic() + within
        while text not in self._shown:
            assert time.monotonic() < end, f"no {text!r} in {self._shown!r}"
            with contextlib.suppress(BlockingIOError):
                self._shown += os.read(self._handle, 4096).decode()
        self._shown = self._shown.partition(text)[2]


# --- what there is ------------------------------------------------------------------------------


def test_models_are_listed_with_their_prices(inline: Inline, models: Models) -> None:
    assert inline.run("models") == 0
    head, alias, model = (line.split() for line in inline.out.splitlines())
    assert head == ["MODEL", "TARGETS", "WINDOW", "USD/M", "IN", "USD/M", "OUT"]
    assert alias == ["default", MODEL, "-", "-", "-"]
    assert model == [MODEL, "-", "8,192", "0.25", "1.5"]
    listed = inline.json("models")
    assert [one["name"] for one in listed] == ["default", MODEL]
    assert listed[0]["context_window"] is None


def test_the_state_of_the_service_is_shown(inline: Inline, models: Models) -> None:
    assert inline.run("provider", "status") == 0
    lines = [line.split() for line in inline.out.splitlines()]
    assert lines[0][:4] == ["replica", "r1:", "1", "running,"]
    said = (
        "similar questions: 7 hits, of these 1 wrong; 40 misses; 3 failures of the memory service"
    )
    assert inline.out.splitlines()[1].startswith(f"{said}, and 5 not looked for")
    assert [MODEL, "main", "closed", "-", "-", "0", "9", "1", "420", "ms"] in lines
    assert ["tenant", "support", "usd/day", "1.25", "5"] in lines
    assert ["tenant", "support", "9", "900", "0", "90", "1.2500"] in lines
    document = inline.json("provider", "status")
    assert document["targets"][0]["breaker"] == "closed"
    assert document["limits"] == [
        {"name": "tenant support", "unit": "usd/day", "limit": 5.0, "used": 1.25}
    ]
    assert document["spend"][0]["usage"]["cached_tokens"] == 0


def test_the_service_runs_until_it_is_told_to_stop(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text("- text: Polly wants a cracker.\n")
    (tmp_path / "models.toml").write_text(
        '[providers.zoo]\nkind = "scripted"\nscript = "zoo.yaml"\n'
        '[models.default]\ntargets = ["zoo/parrot"]\n'
    )
    process = cli.start("provider", "run", "--declaration", "models.toml")
    assert process.stderr is not None
    for line in process.stderr:
        if "provider.ready" in line:
            break
    done = cli.run("chat", "Hi.")
    assert (done.returncode, done.stdout) == (0, "Polly wants a cracker.\n"), done.stderr
    assert done.stderr.startswith("zoo/parrot · ")
    assert [one["name"] for one in cli.json("models")] == ["default", "zoo/parrot"]
    assert cli.json("provider", "status")["targets"][0]["calls"] == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_a_wrong_declaration_ends_the_service_at_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[providers.zoo]\nkind = "parrot"\n')
    done = cli.run("provider", "run", "--declaration", "models.toml")
    assert done.returncode == 1
    assert "models.toml" in done.stderr
    assert json.dumps("parrot")[1:-1] in done.stderr
