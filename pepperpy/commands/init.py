"""`pepperpy init`: a new project, ready to run."""

from pathlib import Path
from typing import Annotated

import typer

FOLDER = "templates/project"


def command(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made when it is not there.")
    ] = Path(),
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the agent; the folder's by default.")
    ] = "",
) -> None:
    """Write a new project: an agent, its test, settings, a compose file.

    Nothing that exists is overwritten.
    """
    import shlex

    from pepperpy_bus.redaction import escape

    _must_be_folder(directory)
    name = _name(name, directory)
    module = module_of(name)
    files = render(name, module)
    write(directory, files)
    for path in files:
        typer.echo(escape(str(directory / path)))
    steps = [*_missing_pytest(), "python -m pytest", f"pepperpy up {module}:agent"]
    if directory != Path():
        steps.insert(0, f"cd {escape(shlex.quote(str(directory)))}")
    beside = [
        *_activation(),
        f"cd {escape(shlex.quote(str(directory.absolute())))}",
        "pepperpy publish greet name=Ana --wait",
    ]
    for title, lines in (("next", steps), ("in a second terminal", beside)):
        typer.echo(f"{title}:\n" + "\n".join(f"  {line}" for line in lines), err=True)


def _missing_pytest() -> list[str]:
    """The step that the environment of this command needs before it can run the tests."""
    from importlib.util import find_spec

    needed = {"pytest": "pytest", "pytest-asyncio": "pytest_asyncio"}
    missing = [name for name, module in needed.items() if not find_spec(module)]
    return [f"python -m pip install {' '.join(missing)}"] if missing else []


def _activation() -> list[str]:
    """The step that puts the environment of this command on the path of a new terminal."""
    import shlex
    import sys

    script = Path(sys.prefix) / "bin" / "activate"
    return [f"source {shlex.quote(str(script))}"] if script.is_file() else []


def module_of(name: str) -> str:
    """Returns a module's name for an agent's; never one that something else has."""
    import re
    import sys
    from importlib.metadata import packages_distributions
    from keyword import iskeyword

    module = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)
    taken = (
        module in sys.stdlib_module_names
        or module in packages_distributions()
        or module.startswith("pepperpy")
        or module in ("tests", "conftest")
    )
    if taken or iskeyword(module) or not module.isidentifier():
        return f"agent_{module.strip('_')}"
    return module


def render(name: str, module: str) -> dict[Path, str]:
    """Returns the files of a new project by their place in it."""
    from importlib.resources import files

    from pepperpy_bus.config.migrations import CONFIG_VERSION
    from pepperpy_bus.installing import install
    from pepperpy_bus.redaction import escape

    words = {
        "__NAME__": name,
        "__MODULE__": module,
        "__TOPIC__": "greet",
        "__INSTALL__": escape(install()),
        "__CONFIG_VERSION__": str(CONFIG_VERSION),
        # Compose takes lower case only, and no sign at the front.
        "__COMPOSE_NAME__": name.lower().strip("_-") or "agent",
    }
    places = {
        "agent.py": f"{module}.py",
        "test_agent.py": f"tests/test_{module}.py",
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "compose.yaml": "compose.yaml",
        "gitignore": ".gitignore",
    }
    folder = files("pepperpy").joinpath(FOLDER)
    rendered = {}
    for template, place in places.items():
        text = folder.joinpath(f"{template}.tmpl").read_text("utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        rendered[Path(place)] = text
    return rendered


def write(directory: Path, files: dict[Path, str]) -> None:
    """Writes all the files, or none.

    Raises:
        Conflict: One of them is there already.
    """
    from pepperpy_schemas.errors import Conflict

    there = [str(path) for path in files if _is_there(directory / path)]
    if there:
        raise Conflict(
            f"{directory.absolute()} has {', '.join(there)} already",
            hint="choose an empty folder: pepperpy init DIR",
        )
    for path, text in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)


def _must_be_folder(directory: Path) -> None:
    """Refuses a file where the project's folder would be, or one of those above it."""
    from pepperpy_schemas.errors import Conflict

    for path in (directory, *directory.parents):
        if _is_there(path) and not path.is_dir():
            raise Conflict(f"{path} is no folder", hint="choose another: pepperpy init DIR")


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _name(given: str, directory: Path) -> str:
    """The agent's name as given, or as the folder is called."""
    import re

    from pepperpy_schemas.errors import BadName
    from pepperpy_schemas.tokens import check_token

    if given:
        return check_token(given, what="name")
    folder = directory.resolve().name
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder).strip("-")[:64]
    if not name:
        raise BadName(f"folder {folder!r:.80} gives no name", hint="choose one by --name")
    return name
