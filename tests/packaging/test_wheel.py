"""What a user gets from the wheel, beside a package that owns the name `agents`."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {
    "pepperpy",
    "pepperpy_agents",
    "pepperpy_bus",
    "pepperpy_memory_svc",
    "pepperpy_monitor_svc",
    "pepperpy_capabilities",
    "pepperpy_provider_svc",
    "pepperpy_schemas",
}

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel from the working tree, and one from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--installer", "pip", "--outdir")
    run(*build, folder / "direct", "--wheel", ROOT, cwd=folder)
    # Without a choice, the wheel is built from the sdist.
    run(*build, folder / "by-sdist", ROOT, cwd=folder)
    (direct,) = (folder / "direct").glob("*.whl")
    (by_sdist,) = (folder / "by-sdist").glob("*.whl")
    return direct, by_sdist


@pytest.fixture(scope="session")
def python(
    built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Runs a Python that has the wheel and openai-agents, the wheel last."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=True)
    program = folder / "venv/bin/python"
    pip = (program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "openai-agents", cwd=folder)
    run(*pip, f"{built[0]}[stack]", cwd=folder)
    return lambda *arguments: run(program, *arguments, cwd=folder)


def test_the_wheel_holds_our_packages_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = contents(built[0])
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == OURS
    assert {f"{package}/py.typed" for package in OURS} <= names.keys()


def test_the_wheel_from_the_sdist_is_the_same(built: tuple[Path, Path]) -> None:
    direct, by_sdist = map(contents, built)
    assert direct == by_sdist


def test_the_command_and_every_package_work_from_the_wheel(python: Callable[..., str]) -> None:
    version = python("-c", "from importlib.metadata import version; print(version('pepperpy'))")
    assert python("-m", "pepperpy", "--version") == f"pepperpy {version}"
    code = f"""
import importlib, sysconfig
from pathlib import Path
site = Path(sysconfig.get_path("purelib"))
for name in {sorted(OURS)}:
    assert Path(importlib.import_module(name).__file__).is_relative_to(site), name
from pepperpy import Agent, Context, connect
"""
    python("-c", code)


def test_the_stack_starts_from_the_wheel(python: Callable[..., str]) -> None:
    code = """
from pepperpy.stack.broker import Broker
with Broker() as broker:
    assert broker.url.startswith("nats://127.0.0.1:")
"""
    python("-c", code)


def test_the_names_of_other_packages_stay_theirs(python: Callable[..., str]) -> None:
    code = """
import importlib.util, agents
assert agents.Runner, agents
assert agents.__file__.endswith("site-packages/agents/__init__.py")
print([name for name in ("bus", "schemas", "tests", "examples") if importlib.util.find_spec(name)])
"""
    assert python("-c", code) == "[]"
