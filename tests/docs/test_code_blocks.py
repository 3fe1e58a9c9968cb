"""Runs what README.md and docs/ tell the reader to type.

The blocks of a page run in order, in one bash and one folder with nothing but ``examples``, against
a broker of its own: the one that the page starts with ``pepperpy up``, else one of the test's.
Which blocks:

- ``bash`` is run; ``python`` is run as a script; with ``title="name"`` either is written to that
  file instead, and so is a ``yaml`` or ``toml`` block.
- ``yaml``, ``toml`` and ``json`` are parsed; ``text`` and ``console`` are left alone.
- A comment before a block: ``<!-- test: output -->`` compares a ``text`` block with what the block
  before it printed (lines in this order, ``…`` stands for anything); ``<!-- test: exit 1 -->``
  expects that exit code; ``<!-- test: skip, REASON -->`` leaves a block out.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from pepperpy.stack.broker import Broker
from tests.requirements import missing

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = {"bash", "python"}
PARSE: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
LEFT_ALONE = {"text", "console"}
TIME_LIMIT = 90.0
ELSEWHERE = {"autogen.md": "autogen_agentchat", "agent-framework.md": "agent_framework"}
"""Pages that are run where this is installed: see tests/agents/adapters/test_frameworks.py."""
PROGRAMS = {"metrics.md": "prometheus"}
"""Pages that need a program beside ours: scripts/install-system-packages brings it."""
SOMEBODYS = ("PEPPERPY_", "OPENAI_", "ANTHROPIC_")
"""Begin the settings and the keys of the person who runs the tests."""

_COMMENT = re.compile(r"<!-- test: (?P<order>.*?) -->")
_SKIP = re.compile(r"skip, \w.{8,}")
_EXIT = re.compile(r"exit (?P<code>\d+)")
_TITLE = re.compile(r'title="(?P<name>[^"]+)"')


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    title: str
    order: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def skipped(self) -> bool:
        return _SKIP.fullmatch(self.order) is not None

    @property
    def runs(self) -> bool:
        return self.language in RUN and not self.title and not self.skipped

    @property
    def exit_code(self) -> int:
        found = _EXIT.fullmatch(self.order)
        return int(found["code"]) if found else 0


def blocks_of(page: Path) -> list[Block]:
    found, order = [], ""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            comment = _COMMENT.fullmatch(token.content.strip())
            order = comment["order"] if comment else ""
        elif token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = _TITLE.search(rest)
            line = token.map[0] + 1 if token.map else 0
            name = title["name"] if title else ""
            found.append(Block(page, line, language, name, order, token.content))
            order = ""
        elif token.nesting == 0:
            order = ""
    return found


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def runnable(page: Path) -> bool:
    needed = ELSEWHERE.get(page.name)
    here = needed is None or find_spec(needed) is not None
    return here and any(block.runs for block in blocks_of(page))


RUNNABLE = [page for page in PAGES if runnable(page)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_its_language_and_is_well_formed(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in RUN | set(PARSE) | LEFT_ALONE, f"{block.place}: {block.language!r}"
        known = block.order in ("", "output") or _EXIT.fullmatch(block.order) or block.skipped
        assert known, f"{block.place}: no such order, or a skip without a reason: {block.order!r}"
        if block.language in PARSE and not block.skipped:
            try:
                PARSE[block.language](block.text)
            except ValueError as error:
                pytest.fail(f"{block.place}: {error}")


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_blocks_of_a_page_do_what_it_says(
    page: Path, tmp_path: Path, broker_factory: Callable[..., Broker]
) -> None:
    program = PROGRAMS.get(page.name)
    if program is not None and shutil.which(program) is None:
        missing(f"{program} is not installed: scripts/install-system-packages")
    blocks = [block for block in blocks_of(page) if not block.skipped]
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "examples").symlink_to(ROOT / "examples")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SOMEBODYS)}
    environment |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PEPPERPY_NATS_CONNECT_TIMEOUT": "30s",
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    if any("pepperpy up" in block.text for block in blocks if block.runs):
        port = free_port()
        environment["PEPPERPY_STACK_PORT"] = str(port)
        environment["PEPPERPY_NATS_URL"] = f"nats://127.0.0.1:{port}"
        environment["PEPPERPY_MONITOR_PORT"] = "0"  # two stacks that start at once want the same
    else:
        environment["PEPPERPY_NATS_URL"] = broker_factory().url
    script = tmp_path / "page.sh"
    script.write_text(script_of(blocks, tmp_path), "utf-8")
    code = run(script, work, environment)
    at = (tmp_path / "at").read_text().strip()
    told = (tmp_path / f"out{at}").read_text("utf-8", "replace")
    assert code == 0, f"{page.relative_to(ROOT)}:{at} ended with {code}:\n{told}"
    for block, before in expectations(blocks):
        compare(block, (tmp_path / f"out{before.line}").read_text("utf-8", "replace"))


def script_of(blocks: list[Block], folder: Path) -> str:
    """One bash for the whole page, so that what one block starts and exports is there later."""
    lines = [
        f"exec </dev/null; echo 0 > {folder}/at; : > {folder}/out0",
        # What runs in the background is told before what it needs is taken away.
        "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT",
    ]
    for block in blocks:
        source = folder / f"block{block.line}"
        if block.title:
            source.write_text(block.text, "utf-8")
            target = shlex.quote(block.title)
            lines.append(f'mkdir -p "$(dirname {target})"; cp {source} {target}')
        elif block.runs:
            if block.language == "python":
                source.write_text(block.text, "utf-8")
            text = f"python {source}" if block.language == "python" else block.text
            strict = "set -euo pipefail" if block.exit_code == 0 else "set +e"
            lines += [
                f"echo {block.line} > {folder}/at",
                strict,
                f"{{\n{text}\n}} > {folder}/out{block.line} 2>&1",
                f"code=$?; [ $code = {block.exit_code} ] || exit $((code ? code : 99))",
            ]
    return "\n".join(lines) + "\n"


def run(script: Path, folder: Path, environment: dict[str, str]) -> int:
    bash = subprocess.Popen(
        ["bash", script],
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return bash.wait(TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        end(bash)


def end(bash: subprocess.Popen[bytes]) -> None:
    """What a page left running in the background ends with it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 15
        try:
            os.killpg(bash.pid, number)
            while time.monotonic() < deadline:
                bash.poll()  # a group is there as long as its leader is not waited for
                os.killpg(bash.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


def expectations(blocks: list[Block]) -> list[tuple[Block, Block]]:
    """Every block of expected output with the block that was run before it."""
    pairs, last = [], None
    for block in blocks:
        if block.runs:
            last = block
        elif block.order == "output":
            assert last is not None, f"{block.place} follows no block that runs"
            pairs.append((block, last))
    return pairs


def compare(block: Block, told: str) -> None:
    rest = told
    for line in filter(None, block.text.splitlines()):
        pattern = ".*?".join(re.escape(part.strip()) for part in line.split("…"))
        found = re.search(pattern, rest)
        assert found, f"{block.place}: {line!r} was not printed; there was:\n{told}"
        rest = rest[found.end() :]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- the machinery itself -------------------------------------------------------------------------


def written(tmp_path: Path, text: str) -> list[Block]:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    return blocks_of(page)


def test_a_failing_block_is_found(tmp_path: Path) -> None:
    blocks = written(tmp_path, "```bash\necho one\n```\n\n```bash\nfalse\necho two\n```\n")
    script = tmp_path / "page.sh"
    script.write_text(script_of(blocks, tmp_path), "utf-8")
    assert run(script, tmp_path, dict(os.environ)) != 0
    assert (tmp_path / "at").read_text() == "5\n"


def test_a_block_without_its_expected_exit_code_is_found(tmp_path: Path) -> None:
    blocks = written(tmp_path, "<!-- test: exit 1 -->\n```bash\ntrue\n```\n")
    script = tmp_path / "page.sh"
    script.write_text(script_of(blocks, tmp_path), "utf-8")
    assert run(script, tmp_path, dict(os.environ)) == 99


def test_output_in_another_order_is_found(tmp_path: Path) -> None:
    text = "```bash\necho\n```\n<!-- test: output -->\n```text\none … three\nfour\n```\n"
    [(block, _)] = expectations(written(tmp_path, text))
    block = Block(ROOT / "x.md", 1, block.language, "", block.order, block.text)
    compare(block, "zero\none two three\nfour\n")
    with pytest.raises(AssertionError, match="four"):
        compare(block, "four\none two three\n")
