import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import pepperpy
from pepperpy import __main__ as face
from pepperpy.commands._failure import explain
from pepperpy.stack.context_file import context_files
from pepperpy_bus.link.options import DEFAULT_URL
from pepperpy_schemas.errors import BadPayload, Unavailable, Unreachable, error_from_info
from tests.cli.command_line import Cli

ROOT = Path(__file__).parents[2]


def cpu_of(*arguments: str) -> float:
    """The processor seconds of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=_uncovered()
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _uncovered() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("COV")}


def imported_by(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
        env=_uncovered(),
    )
    return set(shown.stdout.split())


def test_help_costs_little_more_than_the_library_that_writes_it() -> None:
    """Both in turn: a machine that is busy makes both of them slow."""
    pairs = [(cpu_of("-m", "pepperpy", "--help"), cpu_of("-c", "import typer")) for _ in range(3)]
    assert min(ours / theirs for ours, theirs in pairs) < 1.6, pairs


def test_help_imports_no_command_and_nothing_heavy() -> None:
    loaded = imported_by("from pepperpy.__main__ import main; main(['--help'])")
    assert not loaded & {"nats", "pydantic", "rich", "msgspec", "asyncio"}
    assert not [name for name in loaded if name.startswith("pepperpy.commands.")]


def test_import_pepperpy_costs_less_than_60_ms_and_imports_nothing_heavy() -> None:
    bare = min(cpu_of("-c", "pass") for _ in range(3))
    ours = min(cpu_of("-c", "import pepperpy") for _ in range(3))
    assert ours - bare < 0.060
    assert not imported_by("import pepperpy") & {"nats", "pydantic", "msgspec", "typer", "rich"}


def test_every_public_name_is_found_late_and_an_unknown_one_is_an_attribute_error() -> None:
    for name in pepperpy.__all__:
        assert getattr(pepperpy, name) is not None
        assert name in dir(pepperpy)
    assert pepperpy.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = pepperpy.Nothing


@pytest.mark.parametrize("name", face.COMMANDS)
def test_every_listed_command_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert face.main([name, "--help"]) == 0
    assert f"Usage: pepperpy {name} " in capsys.readouterr().out


def test_the_overview_lists_every_command_under_a_heading(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert face.main([]) == 0
    shown = capsys.readouterr().out
    for name, entry in face.COMMANDS.items():
        assert f"\n{entry.group}:\n" in shown
        assert f"\n  {name} " in shown


def test_the_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert face.main(["--version"]) == 0
    assert capsys.readouterr().out == f"pepperpy {pepperpy.__version__}\n"


def test_a_mistyped_command_is_a_usage_error_with_the_nearest_one(cli: Cli) -> None:
    done = cli.run("tial")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: no such command 'tial'. Did you mean 'tail'?" in done.stderr
    assert "hint: see: pepperpy --help" in done.stderr


def test_an_option_before_its_command_is_told_where_it_belongs(cli: Cli) -> None:
    done = cli.run("--json", "agents")
    assert done.returncode == 2
    assert "options of a command go after it: pepperpy COMMAND --json" in done.stderr


def test_a_group_without_a_subcommand_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert face.main(["dlq"]) == 2
    assert "Usage: pepperpy dlq" in capsys.readouterr().err


def test_an_unreachable_broker_is_exit_code_3_with_cause_and_fix(cli: Cli) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        cli.url = f"nats://127.0.0.1:{free.getsockname()[1]}"
    env = {**cli.environment(), "PEPPERPY_NATS_CONNECT_TIMEOUT": "300ms"}
    done = subprocess.run(
        cli.command("result", "x"), capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    address = cli.url
    told = f"error: no broker answered at {address} within 0.3 s: nobody listens there\n"
    assert done.stderr.startswith(told)
    assert "  hint: start one with: pepperpy up" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_before_the_command_reach_the_settings(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[contexts.lab.nats]\nname = "lab-bench"\n')
    done = cli.run(
        "--config", str(config), "--context", "lab", "--log-level", "error", "config", "show"
    )
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if " " in line)
    assert rows["nats.name"] == "lab-bench"
    assert rows["nats.url"] == cli.url
    assert rows["bus.prefix"] == cli.prefix
    assert rows["log.level"] == "error"


def test_a_traceback_is_shown_only_when_debug_messages_are(cli: Cli) -> None:
    assert "Traceback" not in cli.run("result", "nope").stderr
    assert "Traceback" in cli.run("--log-level", "debug", "result", "nope").stderr


def test_a_cause_that_says_what_stands_above_it_is_not_said_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = OSError(111, "Connect call failed ('h', 1)")
    between = ConnectionError("Error 111 connecting to h:1. Connect call failed ('h', 1).")
    between.__cause__ = refused
    error = Unavailable(f"Redis cannot be reached: {between}", hint="start it")
    error.__cause__ = between
    explain(error_from_info(error.info()))
    assert capsys.readouterr().err == f"error: {error.message}\n  hint: start it\n"
    between.__cause__ = OSError(12, "Out of memory")
    explain(error_from_info(error.info()))
    assert "\n  cause: OSError: [Errno 12] Out of memory\n" in capsys.readouterr().err


def test_an_error_says_message_place_causes_and_cure(capsys: pytest.CaptureFixture[str]) -> None:
    error = BadPayload("$.text is missing", hint="add it")
    error.add_note("for pp.task.triage")
    error.__cause__ = Unreachable("far \x1b[2Jaway")
    assert explain(error) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: $.text is missing",
        "  for pp.task.triage",
        "  cause: far \\x1b[2Jaway",
        "  hint: add it",
    ]


def test_errors_of_others_have_a_line_and_a_code_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(TimeoutError()) == 124
    assert explain(FileNotFoundError(2, "No such file or directory", "a.json")) == 1
    assert explain(ZeroDivisionError("by zero")) == 1
    assert explain(Unreachable("nats://me:canary@host is away")) == 3
    shown = capsys.readouterr().err
    assert "error: timed out" in shown
    assert "error: a.json: No such file or directory" in shown
    assert "error: ZeroDivisionError: by zero" in shown
    assert "canary" not in shown


def test_a_closed_pipe_ends_quietly(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = cli.start("config", "show", stdout=writing)
    os.close(writing)
    assert process.wait(20) == 141
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_commands_import_only_the_bus_and_the_schemas() -> None:
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "Commands know the bus and the schemas only KEPT" in linted.stdout, linted.stdout


def test_a_wrong_address_is_told_by_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert face.main(["--nats", "foo://x", "agents"]) == 1
    assert capsys.readouterr().err.startswith("error: nats.url = 'foo://x' (--nats): write it like")


def test_who_looks_at_the_usual_address_is_shown_the_stack_at_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    missed = Unreachable("no broker answered", context={"server": DEFAULT_URL})
    folder, url = tmp_path / "pepperpy" / "contexts", "nats://127.0.0.1:5"
    secret = tmp_path / "secret"
    secret.touch()
    with context_files(folder, url=url, password_file=lambda _: secret, prefix="pp"):
        explain(missed)
        way = f"pepperpy --nats {url} … (its operator: --context local)\n"
        assert f"a stack runs elsewhere: {way}" in capsys.readouterr().err
        explain(Unreachable("no broker answered", context={"server": "nats://b:4222"}))
        assert "pepperpy up" in capsys.readouterr().err
        secret.unlink()  # the stack was killed
        explain(missed)
        assert "pepperpy up" in capsys.readouterr().err
