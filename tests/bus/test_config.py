import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import tomlkit

from pepperpy_bus.config import Loaded, Secret, Settings, load, locate, migrations
from pepperpy_bus.config.known import known_settings
from pepperpy_bus.config.migrations import CONFIG_VERSION
from pepperpy_bus.config.reload import Change, Reloader
from pepperpy_bus.config.rewriting import migrate_file
from pepperpy_bus.config.values import value_of
from pepperpy_bus.files import write_secret
from pepperpy_bus.redaction import redact
from pepperpy_schemas.errors import BadConfig, BadName

Load = Callable[..., Loaded]

CANARY = "canary-4f1d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "project" / "deep"
    inner.mkdir(parents=True)
    return inner


@pytest.fixture
def load_here(folder: Path, tmp_path: Path) -> Load:
    """`load` from `folder`, with a home of its own and only the given variables."""

    def load_(environ: dict[str, str] | None = None, **options: object) -> Loaded:
        variables = {"HOME": str(tmp_path / "home"), **(environ or {})}
        return load(environ=variables, cwd=folder, **options)  # type: ignore[arg-type]

    return load_


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# --- strength and origins -----------------------------------------------------------------------


def test_without_anything_set_the_defaults_are_in_force(load_here: Load) -> None:
    loaded = load_here()
    assert loaded.settings.nats.url == "nats://127.0.0.1:4222"
    assert loaded.settings.bus.publish_timeout == 30.0
    assert loaded.settings.bus.blob_threshold == 512 * 1024
    assert loaded.settings.worker.health_port is None
    assert set(loaded.origins.values()) == {"default"}
    assert (loaded.path, loaded.context, loaded.warnings) == (None, "", ())


def test_each_layer_is_stronger_than_the_one_before_and_named_as_origin(
    load_here: Load, folder: Path
) -> None:
    path = write(
        folder.parent / "pepperpy.toml",
        "config_version = 1\n"
        '[bus]\nprefix = "file"\n'
        '[nats]\nname = "file"\nuser = "file"\nurl = "nats://file"\ninbox_prefix = "file"\n'
        '[contexts.prod.nats]\nuser = "context"\nurl = "nats://context"\n'
        'inbox_prefix = "context"\n',
    )
    loaded = load_here(
        {"PEPPERPY_NATS_URL": "nats://environment", "PEPPERPY_NATS_INBOX_PREFIX": "environment"},
        context="prod",
        flags={"nats.inbox_prefix": "flag", "worker.concurrency": None},
    )
    nats = loaded.settings.nats
    assert (nats.name, nats.user, nats.url, nats.inbox_prefix) == (
        "file",
        "context",
        "nats://environment",
        "flag",
    )
    assert loaded.settings.bus.prefix == "file"
    assert loaded.origins["nats.name"] == f"file {path}:nats.name"
    assert loaded.origins["nats.user"] == f"context prod {path}:contexts.prod.nats.user"
    assert loaded.origins["nats.url"] == "environment PEPPERPY_NATS_URL"
    assert loaded.origins["nats.inbox_prefix"] == "flag nats.inbox_prefix"
    assert loaded.origins["worker.concurrency"] == "default"


def test_every_setting_has_an_environment_name_and_a_kind_that_reads(load_here: Load) -> None:
    sample = {
        "duration": "5m",
        "size": "64MiB",
        "secret": "s",
        "path": "/x",
        "number": "3",
        "text": "abc",
    }
    # What fits the kind need not fit the setting.
    fitting = {"monitor.audit_key": "s" * 32, "monitor.otlp_share": "0.5", "stack.hops": "true"}
    environ = {
        one.variable: fitting.get(one.name) or (one.choices or [sample[one.kind]])[0]
        for one in known_settings().values()
        if one.name != "nats.token"  # excludes user and password
    }
    loaded = load_here(environ)
    assert [name for name, origin in loaded.origins.items() if origin == "default"] == [
        "nats.token"
    ]
    assert loaded.settings.bus.blob_threshold == 64 * 1024 * 1024
    assert loaded.settings.worker.grace == 300.0
    assert loaded.settings.stack.persist == Path("/x")
    assert [row.value for row in loaded.rows if row.name == "bus.blob_threshold"] == ["64MiB"]


def test_every_setting_has_a_meaning_and_its_default_is_valid() -> None:
    for one in known_settings().values():
        assert one.meaning.endswith("."), one.name


def test_an_empty_variable_counts_as_unset(load_here: Load) -> None:
    assert load_here({"PEPPERPY_NATS_URL": ""}).origins["nats.url"] == "default"


def test_the_process_environment_and_folder_are_the_defaults(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PEPPERPY_BUS_PREFIX", "mine")
    write(folder / "pepperpy.toml", '[nats]\nname = "here"\n')
    loaded = load()
    assert (loaded.settings.bus.prefix, loaded.settings.nats.name) == ("mine", "here")
    assert locate() == folder / "pepperpy.toml"


def test_the_frozen_value_cannot_be_changed_and_can_be_sent_to_a_child(load_here: Load) -> None:
    settings = load_here({"PEPPERPY_NATS_USER": "u", "PEPPERPY_NATS_PASSWORD": "p"}).settings
    with pytest.raises(AttributeError):
        settings.nats.url = "x"  # type: ignore[misc]  # that is the test
    copy: Settings = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    assert copy.nats.password.get_secret_value() == "p"


def test_importing_config_costs_no_pydantic_and_loading_does() -> None:
    code = (
        "import sys; from pepperpy_bus import config, logs, groups, units, files;"
        "from pepperpy_bus.config import reload;"
        "assert 'pydantic' not in sys.modules and 'tomlkit' not in sys.modules;"
        "config.load(environ={});"
        "assert 'pydantic' in sys.modules and 'tomlkit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


# --- files ----------------------------------------------------------------------------------------


def test_pepperpy_toml_goes_before_pyproject_and_near_before_far(
    load_here: Load, folder: Path
) -> None:
    far = write(folder.parent.parent / "pepperpy.toml", '[nats]\nname = "far"\n')
    assert load_here().path == far
    project = write(folder.parent / "pyproject.toml", '[tool.pepperpy.nats]\nname = "project"\n')
    loaded = load_here()
    assert loaded.path == project
    assert loaded.origins["nats.name"] == f"file {project}:tool.pepperpy.nats.name"
    near = write(folder.parent / "pepperpy.toml", '[nats]\nname = "near"\n')
    assert load_here().path == near


def test_a_pyproject_of_somebody_else_is_passed_by_even_if_broken(
    load_here: Load, folder: Path
) -> None:
    write(folder / "pyproject.toml", "[tool.other]\nx = 1\n")
    write(folder.parent / "pyproject.toml", "[broken")
    assert load_here().path is None
    write(folder.parent / "pyproject.toml", "[tool.pepperpy]\n[broken")
    with pytest.raises(BadConfig, match="is not TOML"):
        load_here()


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_file_named_by_hand_is_read_instead(load_here: Load, folder: Path, how: str) -> None:
    write(folder / "pepperpy.toml", '[nats]\nname = "found"\n')
    path = write(folder / "other.toml", '[nats]\nname = "named"\n')
    loaded = (
        load_here(config="other.toml")
        if how == "argument"
        else load_here({"PEPPERPY_CONFIG": str(path)})
    )
    assert (loaded.path, loaded.settings.nats.name) == (path, "named")


def test_a_file_named_by_hand_must_exist(load_here: Load) -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.toml cannot be read: No such file"):
        load_here(config="nowhere.toml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = ", "is not TOML"),
        ("nats = 1", "nats = 1 is not a table"),
        ("contexts = 1", "contexts = 1 is not a table"),
    ],
)
def test_a_file_of_the_wrong_form_is_refused(
    load_here: Load, folder: Path, text: str, complaint: str
) -> None:
    write(folder / "pepperpy.toml", text)
    with pytest.raises(BadConfig, match=complaint):
        load_here()


@pytest.mark.parametrize("text", ["tool = 1", "[tool]\npepperpy = 1"])
def test_a_pyproject_of_the_wrong_form_is_refused(load_here: Load, folder: Path, text: str) -> None:
    write(folder / "pyproject.toml", text)
    with pytest.raises(BadConfig, match="is not a table"):
        load_here(config="pyproject.toml")


def test_relative_paths_start_at_the_files_folder_and_home_is_expanded(
    load_here: Load, folder: Path
) -> None:
    write(folder.parent / "pepperpy.toml", '[nats]\ncredentials = "me.creds"\ntls_ca = "~/ca"\n')
    loaded = load_here({"PEPPERPY_STACK_PERSIST": "data"})
    assert loaded.settings.nats.credentials == folder.parent / "me.creds"
    assert loaded.settings.nats.tls_ca == Path.home() / "ca"
    assert loaded.settings.stack.persist == folder / "data"


def test_an_empty_path_in_a_file_means_unset(load_here: Load, folder: Path) -> None:
    write(folder / "pepperpy.toml", '[stack]\npersist = ""\n')
    assert load_here().settings.stack.persist is None


# --- contexts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_the_users_own_context_goes_before_the_projects(
    load_here: Load, folder: Path, tmp_path: Path, variable: str
) -> None:
    write(folder / "pepperpy.toml", '[contexts.prod.nats]\nurl = "nats://project"\n')
    base = tmp_path / variable
    inner = base / ".config" if variable == "HOME" else base
    own = write(inner / "pepperpy" / "contexts" / "prod.toml", '[nats]\nservers = ["nats://own"]\n')
    loaded = load_here({variable: str(base), "PEPPERPY_CONTEXT": "prod"})
    assert loaded.settings.nats.url == "nats://own"
    assert loaded.origins["nats.url"] == f"context prod {own}:nats.url"
    assert loaded.context == "prod"


@pytest.mark.parametrize("name", ["local", "local-4977", "local-worker"])
def test_the_context_of_a_stack_is_missing_where_none_runs(load_here: Load, name: str) -> None:
    with pytest.raises(BadConfig, match="does not exist") as caught:
        load_here(context=name)
    assert caught.value.hint == "it exists while `pepperpy up` runs"


def test_an_unknown_context_is_refused_with_the_known_ones(
    load_here: Load, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadConfig, match=r"'prod' does not exist; known: none") as caught:
        load_here(context="prod")
    assert "write " in caught.value.hint
    with pytest.raises(BadConfig, match=r"known: none"):
        load(environ={}, cwd=folder, context="prod")
    write(folder / "pepperpy.toml", "[contexts.staging.nats]\n")
    write(tmp_path / "home" / ".config" / "pepperpy" / "contexts" / "prod-eu.toml", "")
    with pytest.raises(BadConfig, match=r"known: prod-eu, staging") as caught:
        load_here(context="prod")
    assert caught.value.hint == "did you mean prod-eu?"
    with pytest.raises(BadConfig, match=r"known: staging"):
        load(environ={}, cwd=folder, context="prod")


def test_a_context_name_cannot_leave_its_folder(load_here: Load) -> None:
    with pytest.raises(BadName):
        load_here(context="../../etc/passwd")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "near"),
    [
        ('[nats]\nurll = "x"', "nats.urll", "nats.url"),
        ("[wroker]\nconcurrency = 1", "wroker", "worker"),
        ('[nats]\npasword_file = "x"', "nats.pasword_file", "nats.password_file"),
        ('url = "x"', "url", ""),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known(
    load_here: Load, folder: Path, text: str, where: str, near: str
) -> None:
    path = write(folder / "pepperpy.toml", text)
    with pytest.raises(BadConfig) as caught:
        load_here()
    assert caught.value.message == f"file {path}:{where} names no setting"
    assert (near and f"did you mean {near}?") in caught.value.hint


def test_an_unknown_variable_or_flag_is_refused_with_the_nearest_known(load_here: Load) -> None:
    with pytest.raises(BadConfig, match="PEPPERPY_NATS_ULR names no setting") as caught:
        load_here({"PEPPERPY_NATS_ULR": "x"})
    assert caught.value.hint == "did you mean PEPPERPY_NATS_URL?"
    with pytest.raises(BadConfig, match=r"flag nats\.ulr names no setting"):
        load_here(flags={"nats.ulr": "x"})


@pytest.mark.parametrize("slip", ["PEPPERPY_NATSURL", "PEPPERPY_WROKER_CONCURRENCY"])
def test_a_slip_in_the_name_of_a_section_is_refused_too(load_here: Load, slip: str) -> None:
    with pytest.raises(BadConfig, match=f"{slip} names no setting"):
        load_here({slip: "1"})


def test_a_variable_of_nobodys_section_is_ignored_with_a_warning(load_here: Load) -> None:
    loaded = load_here({"PEPPERPY_PORT": "4222", "PEPPERPY_VERSION": "local", "PEPPERPY_X": ""})
    assert loaded.warnings == (
        "PEPPERPY_PORT names no setting: ignored",
        "PEPPERPY_VERSION names no setting: ignored",
    )


def test_what_kubernetes_adds_to_the_environment_is_ignored(load_here: Load) -> None:
    loaded = load_here(
        {
            "PEPPERPY_NATS_SERVICE_HOST": "10.0.0.1",
            "PEPPERPY_NATS_SERVICE_PORT_CLIENT": "4222",
            "PEPPERPY_NATS_PORT": "tcp://10.0.0.1:4222",
            "PEPPERPY_NATS_PORT_4222_TCP_ADDR": "10.0.0.1",
        }
    )
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.warnings == ()
    with pytest.raises(BadConfig, match="PEPPERPY_NATS_PORT names no setting"):
        load_here({"PEPPERPY_NATS_PORT": "4222"})


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("PEPPERPY_WORKER_CONCURRENCY", "many", "valid integer"),
        ("PEPPERPY_WORKER_CONCURRENCY", "0", "greater than or equal to 1"),
        ("PEPPERPY_WORKER_GRACE", "soon", "duration 'soon' is not understood"),
        ("PEPPERPY_BUS_BLOB_THRESHOLD", "big", "size 'big' is not understood"),
        ("PEPPERPY_BUS_PROVISION", "never", "'auto' or 'check'"),
        ("PEPPERPY_BUS_PREFIX", "a.b", "use 1 to 64 characters"),
        ("PEPPERPY_NATS_INBOX_PREFIX", "_INBOX.>", "use 1 to 64 characters"),
        ("PEPPERPY_NATS_URL", "http://x", "write it like nats://"),
        ("PEPPERPY_NATS_URL", "nats://", "write it like nats://"),
        ("PEPPERPY_WORKER_HEALTH_PORT", "70000", "less than or equal to 65535"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_value_and_origin(
    load_here: Load, variable: str, value: str, complaint: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        load_here({variable: value})
    name = variable.removeprefix("PEPPERPY_").lower().replace("_", ".", 1)
    assert caught.value.message.startswith(f"{name} = '{value}' (environment {variable}): ")
    assert complaint in caught.value.message


def test_all_wrong_values_are_told_at_once_with_a_hint(load_here: Load) -> None:
    with pytest.raises(BadConfig) as caught:
        load_here({"PEPPERPY_WORKER_GRACE": "soon", "PEPPERPY_LOG_LEVEL": "loud"})
    assert len(caught.value.message.splitlines()) == 2
    assert "1h30m" in caught.value.hint


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"password": "p"}, "password is set without user"),
        ({"user": "u", "token": "t"}, "user and token exclude each other"),
        ({"tls_cert": "c.pem"}, "tls_cert and tls_key belong together"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    load_here: Load, values: dict[str, str], complaint: str
) -> None:
    with pytest.raises(BadConfig, match=complaint):
        load_here({f"PEPPERPY_NATS_{key.upper()}": value for key, value in values.items()})


def test_addresses_may_be_several_and_lack_their_scheme(load_here: Load) -> None:
    nats = load_here({"PEPPERPY_NATS_URL": "a:4222, tls://b:4222"}).settings.nats
    assert nats.servers == ("nats://a:4222", "tls://b:4222")


# --- secrets --------------------------------------------------------------------------------------


def test_a_secret_is_read_from_the_file_that_a_variable_or_key_names(
    load_here: Load, folder: Path
) -> None:
    write_secret(folder / "pw", f"{CANARY}\n")
    path = write(folder / "pepperpy.toml", '[nats]\nuser = "u"\npassword_file = "pw"\n')
    loaded = load_here()
    assert loaded.settings.nats.password == Secret(CANARY)
    assert loaded.origins["nats.password"] == (f"file {path}:nats.password_file ({folder / 'pw'})")
    write_secret(folder / "other", "stronger")
    loaded = load_here({"PEPPERPY_NATS_PASSWORD_FILE": "other"})
    assert loaded.settings.nats.password.get_secret_value() == "stronger"


def test_a_secret_in_clear_beside_its_file_is_refused(load_here: Load) -> None:
    with pytest.raises(BadConfig, match="set twice") as caught:
        load_here({"PEPPERPY_NATS_TOKEN": CANARY, "PEPPERPY_NATS_TOKEN_FILE": "x"})
    assert CANARY not in caught.value.message


def test_a_secret_file_open_to_all_is_refused(load_here: Load, folder: Path) -> None:
    write(folder / "pw", CANARY, mode=0o644)
    with pytest.raises(BadConfig, match="open to all users") as caught:
        load_here({"PEPPERPY_NATS_TOKEN_FILE": "pw"})
    assert "chmod 600" in caught.value.hint


def test_a_secret_file_that_is_no_path_is_refused(load_here: Load, folder: Path) -> None:
    write(folder / "pepperpy.toml", "[nats]\ntoken_file = 1\n")
    with pytest.raises(BadConfig, match="token_file = 1 is not a path"):
        load_here()


@pytest.mark.parametrize(
    "line", [f'token = "{CANARY}"', f'url = "nats://me:{CANARY}@host"'], ids=["token", "url"]
)
def test_a_file_with_a_secret_that_all_may_read_is_warned_about(
    load_here: Load, folder: Path, line: str
) -> None:
    path = write(folder / "pepperpy.toml", f"[nats]\n{line}\n", mode=0o644)
    (warning,) = load_here().warnings
    assert f"chmod 600 {path}" in warning
    path.chmod(0o600)
    assert load_here().warnings == ()


def test_no_secret_shows_in_rows_reprs_or_errors(load_here: Load, folder: Path) -> None:
    write(folder / "pepperpy.toml", f'[nats]\nurl = "nats://me:{CANARY}@host"\n')
    loaded = load_here({"PEPPERPY_NATS_TOKEN": CANARY})
    assert CANARY not in repr(loaded.rows)
    assert CANARY not in repr(loaded.settings.nats.token)
    assert str(redact("any", loaded.settings.nats.token)) == "***"
    rows = {row.name: row.value for row in loaded.rows}
    assert rows["nats.token"] == "***"
    assert rows["nats.password"] == ""
    assert rows["nats.url"] == "nats://***@host"
    for line in ("token = 1", f'url = "nats://me:{CANARY}@ host"', f'token = ["{CANARY}"]'):
        write(folder / "pepperpy.toml", f"[nats]\n{line}\n")
        with pytest.raises(BadConfig) as caught:
            load_here()
        assert CANARY not in str(caught.value)


def test_a_secret_shows_nothing_but_whether_it_is_set() -> None:
    secret = Secret(CANARY)
    assert (repr(secret), f"{secret}", bool(secret)) == ("Secret('***')", "***", True)
    assert (repr(Secret()), str(Secret()), bool(Secret())) == ("Secret('')", "", False)
    assert secret == Secret(CANARY) != Secret()
    assert len({secret, Secret(CANARY)}) == 1


# --- versions -------------------------------------------------------------------------------------


def test_a_file_of_version_0_is_read_with_its_old_names_and_a_warning(
    load_here: Load, folder: Path
) -> None:
    path = write(
        folder / "pepperpy.toml",
        '[nats]\nservers = ["nats://a", "nats://b"]\n[worker]\nshutdown_timeout = "5s"\n'
        '[contexts.prod.nats]\nservers = "nats://prod"\n',
    )
    loaded = load_here(context="prod")
    assert loaded.settings.nats.url == "nats://prod"
    assert load_here().settings.nats.servers == ("nats://a", "nats://b")
    assert loaded.settings.worker.grace == 5.0
    (warning,) = loaded.warnings
    assert warning.endswith(f"pepperpy config migrate {path}")


def test_a_file_without_version_and_without_old_names_is_quietly_fine(
    load_here: Load, folder: Path
) -> None:
    write(folder / "pepperpy.toml", '[nats]\nurl = "nats://a"\n')
    assert load_here().warnings == ()


@pytest.mark.parametrize("version", ['"1"', "-1", "true", "1.0"])
def test_a_version_that_is_no_number_is_refused(
    load_here: Load, folder: Path, version: str
) -> None:
    write(folder / "pepperpy.toml", f"config_version = {version}\n")
    with pytest.raises(BadConfig, match="is not a version"):
        load_here()


def test_a_file_newer_than_the_release_is_refused_with_the_fix(
    load_here: Load, folder: Path
) -> None:
    write(folder / "pepperpy.toml", f"config_version = {CONFIG_VERSION + 1}\n")
    with pytest.raises(BadConfig, match=f"this release knows {CONFIG_VERSION}") as caught:
        load_here()
    assert "take a newer PepperPy into " in caught.value.hint


def test_an_old_name_beside_its_new_one_is_refused(load_here: Load, folder: Path) -> None:
    write(folder / "pepperpy.toml", '[nats]\nurl = "a"\nservers = ["b"]\n')
    with pytest.raises(BadConfig, match="both 'servers' and 'url'"):
        load_here()


def test_an_old_name_is_unknown_in_a_current_file(load_here: Load, folder: Path) -> None:
    write(folder / "pepperpy.toml", 'config_version = 1\n[nats]\nservers = ["b"]\n')
    with pytest.raises(BadConfig, match=r"nats\.servers names no setting"):
        load_here()


def test_migrations_run_in_order_from_the_files_version(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    steps = tuple(lambda _table, number=number: ran.append(number) for number in range(4))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    monkeypatch.setattr(migrations, "CONFIG_VERSION", 4)
    assert migrations.migrate({"config_version": 2}, where="x") == 2
    assert ran == [2, 3]


COMMENTED = """\
# my file
[nats]  # the broker
# where
servers = ["nats://a", "nats://b"]  # two
user = "me"

[contexts.prod.nats]
servers = ["nats://prod"]
"""


def test_migrating_keeps_comments_mode_and_a_backup(load_here: Load, folder: Path) -> None:
    path = write(folder / "pepperpy.toml", COMMENTED, mode=0o640)
    before = load_here(context="prod").settings
    done = migrate_file(path)
    assert (done.version, done.backup) == (0, folder / "pepperpy.toml.bak")
    text = path.read_text()
    for part in ("# my file", "# the broker", "# where", "# two", "config_version = 1"):
        assert part in text
    assert "servers" not in text
    assert (folder / "pepperpy.toml.bak").read_text() == COMMENTED
    assert path.stat().st_mode & 0o777 == 0o640
    loaded = load_here(context="prod")
    assert (loaded.settings, loaded.warnings) == (before, ())
    assert migrate_file(path).backup is None


def test_migrating_a_pyproject_touches_nothing_else_in_it(load_here: Load, folder: Path) -> None:
    others = '[project]\nname = "x"  # mine\n\n[tool.ruff]\nline-length = 100\n'
    path = write(
        folder / "pyproject.toml", f'{others}\n[tool.pepperpy.nats]\nservers = ["nats://a"]\n'
    )
    migrate_file(path)
    assert path.read_text().startswith(others)
    assert load_here().settings.nats.url == "nats://a"
    bare = write(folder / "other" / "pyproject.toml", others)
    with pytest.raises(BadConfig, match=r"has no \[tool\.pepperpy\]"):
        migrate_file(bare)


def test_a_rewrite_that_would_change_the_meaning_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "pepperpy.toml", COMMENTED)
    monkeypatch.setattr(tomlkit, "dumps", lambda _document: "[nats]\n")
    with pytest.raises(BadConfig, match="without changing its meaning"):
        migrate_file(path)
    assert path.read_text() == COMMENTED
    assert list(folder.iterdir()) == [path]


# --- reload ---------------------------------------------------------------------------------------


@pytest.fixture
def reloader(load_here: Load, folder: Path) -> Reloader:
    write(folder / "pepperpy.toml", "[worker]\nconcurrency = 4\n")
    return Reloader(load_here(), load_here)


def test_a_reload_applies_what_is_reloadable_and_names_the_rest(
    reloader: Reloader, folder: Path
) -> None:
    seen: list[Settings] = []
    reloader.on_change(seen.append)
    write(
        folder / "pepperpy.toml", '[worker]\nconcurrency = 8\nprocesses = 3\n[nats]\nname = "n"\n'
    )
    change = reloader.reload()
    assert change == Change(("worker.concurrency",), ("nats.name", "worker.processes"))
    assert seen == [reloader.settings]
    assert reloader.settings.worker.concurrency == 8
    assert reloader.settings.worker.processes == 1
    assert reloader.loaded.origins["worker.processes"] == "default"
    rows = {row.name: row.value for row in reloader.loaded.rows}
    assert (rows["worker.concurrency"], rows["worker.processes"]) == (8, 1)


def test_a_reload_without_changes_calls_nobody(reloader: Reloader) -> None:
    reloader.on_change(lambda _settings: pytest.fail("called"))
    assert reloader.reload() == Change((), ())


def test_a_reload_of_a_broken_file_keeps_what_is_in_force(reloader: Reloader, folder: Path) -> None:
    before = reloader.settings
    write(folder / "pepperpy.toml", "[worker]\nconcurrency = 0\n")
    with pytest.raises(BadConfig):
        reloader.reload()
    assert reloader.settings is before


def test_a_hook_that_fails_is_logged_and_the_others_are_called(
    reloader: Reloader, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Settings] = []

    def broken(_settings: Settings) -> None:
        raise ZeroDivisionError

    reloader.on_change(broken)
    reloader.on_change(seen.append)
    write(folder / "pepperpy.toml", "[worker]\nconcurrency = 8\n")
    reloader.reload()
    assert len(seen) == 1
    assert "config.hook_failed" in caplog.messages


async def test_sighup_reloads_while_watching_and_survives_a_broken_file(
    reloader: Reloader, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = asyncio.Event()
    reloader.on_change(lambda _settings: changed.set())
    before = signal.getsignal(signal.SIGHUP)
    async with reloader.watching():
        write(folder / "pepperpy.toml", "[worker\n")
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(5):
            while "config.reload_refused" not in caplog.messages:
                await asyncio.sleep(0)
        assert reloader.settings.worker.concurrency == 4
        write(folder / "pepperpy.toml", '[log]\nlevel = "debug"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(changed.wait(), 5)
    assert reloader.settings.log.level == "debug"
    assert signal.getsignal(signal.SIGHUP) == before


def test_loading_again_reads_the_same_places(folder: Path) -> None:
    again = partial(load, environ={"PEPPERPY_LOG_LEVEL": "error"}, cwd=folder)
    reloader = Reloader(again(), again)
    write(folder / "pepperpy.toml", '[log]\nlevel = "debug"\nformat = "json"\n')
    assert reloader.reload().applied == ("log.format",)
    assert value_of(reloader.settings, "log.level") == "error"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHARDS_HEARTBEAT_INTERVAL", "200ms", "greater than or equal to 1"),
        ("SHARDS_REBALANCE_THRESHOLD", "0", "greater than 0"),
        ("SHARDS_CAPACITY", "5", "it would never get a shard"),
    ],
)
def test_shards_that_nobody_could_pull_are_refused(
    load_here: Load, name: str, value: str, said: str
) -> None:
    with pytest.raises(BadConfig, match=said):
        load_here({f"PEPPERPY_{name}": value})
