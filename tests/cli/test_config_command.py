import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pepperpy.commands._session import Options
from pepperpy.commands.config import app
from pepperpy_schemas.errors import BadConfig, NotFound

CANARY = "canary-4f1d"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str, obj: object = None) -> Result:
    return CliRunner().invoke(app, list(arguments), obj=obj)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_show_prints_every_setting_on_stdout() -> None:
    result = run("show")
    assert result.exit_code == 0
    shown = [line.split() for line in result.stdout.splitlines()]
    assert ["bus.blob_threshold", "512KiB"] in shown
    assert ["nats.password"] in shown
    assert result.stderr == ""


def test_show_with_origin_says_where_each_value_is_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "pepperpy.toml", '[nats]\nname = "n"\n')
    monkeypatch.setenv("PEPPERPY_LOG_LEVEL", "debug")
    lines = {line.split()[0]: line.split() for line in run("show", "--origin").stdout.splitlines()}
    assert lines["nats.name"][1:] == ["n", "file", f"{folder}/pepperpy.toml:nats.name"]
    assert lines["log.level"][1:] == ["debug", "environment", "PEPPERPY_LOG_LEVEL"]
    assert lines["log.format"][1:] == ["auto", "default"]


def test_show_as_json_is_one_object_with_or_without_origins() -> None:
    plain = json.loads(run("show", "--json").stdout)
    assert plain["worker.concurrency"] == 16
    assert plain["worker.health_port"] is None
    full = json.loads(run("show", "--json", "--origin").stdout)
    assert full["worker.grace"] == {"value": "30s", "origin": "default"}
    assert list(full) == list(plain)


def test_secrets_and_terminal_codes_are_never_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "pepperpy.toml", f'[nats]\nname = "\\u001b[2J"\ntoken = "{CANARY}"\n')
    monkeypatch.setenv("PEPPERPY_NATS_URL", f"nats://me:{CANARY}@host")
    for arguments in (["show"], ["show", "--origin"], ["show", "--json", "--origin"]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert CANARY not in result.output
        assert "***" in result.stdout
        assert "\x1b" not in result.output


def test_global_options_come_from_the_context_object(folder: Path) -> None:
    path = write(folder / "mine.toml", '[contexts.prod.nats]\nname = "prod"\n')
    options = Options(config=path, context="prod", nats="nats://flag")
    shown = json.loads(run("show", "--json", obj=options).stdout)
    assert (shown["nats.name"], shown["nats.url"]) == ("prod", "nats://flag")
    assert run("path", obj=options).stdout == f"{path}\n"


def test_check_names_the_file_that_is_right_and_warns_on_stderr(folder: Path) -> None:
    path = write(folder / "mine.toml", f'[nats]\ntoken = "{CANARY}"\n', mode=0o644)
    result = run("check", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"ok: {path} (1 of " in result.stderr
    assert "chmod 600" in result.stderr
    assert "no file" in run("check").stderr


def test_check_fails_with_the_name_that_is_wrong(folder: Path) -> None:
    path = write(folder / "mine.toml", "[nats]\nurll = 1\n")
    result = run("check", str(path))
    assert result.exit_code == 1
    assert isinstance(result.exception, BadConfig)
    assert result.exception.hint == "did you mean nats.url?"


def test_migrate_rewrites_the_file_in_force_once(folder: Path) -> None:
    path = write(folder / "pepperpy.toml", '[nats]\nservers = ["nats://a"]  # mine\n')
    result = run("migrate")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"migrated {path} from version 0; old: {path}.bak" in result.stderr
    assert 'url = "nats://a"  # mine' in path.read_text()
    assert "nothing to do" in run("migrate", str(path)).stderr


def test_path_prints_the_file_in_force_or_fails(folder: Path) -> None:
    assert isinstance(run("path").exception, NotFound)
    path = write(folder / "pepperpy.toml", "")
    assert run("path").stdout == f"{path}\n"
