import json
import re
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COUNTED = re.compile(r"^(?!\s*(//|$))", re.MULTILINE)  # neither blank nor a comment
CODE_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


async def test_the_commands_of_the_readme_do_what_it_says(lane, node_folder, go_programs, tmp_path):
    await lane.provision("upper")
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("node_modules"))
    commands = CODE_BLOCK.findall((EXAMPLES / "README.md").read_text())
    script = "\n".join(["set -e", f"cd {folder}", *commands, "kill -TERM %1 %2", "wait"])

    code, out, err = await lane.run("bash", "-c", script, within=120)

    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [answer["data"]["text"] for answer in answers] == [
        "HELLO FROM NODE",
        "HELLO FROM GO",
        "HELLO FROM BASH",
    ]


def test_the_lock_file_names_no_registry():
    lock = json.loads((EXAMPLES / "node/package-lock.json").read_text())

    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all("resolved" not in package and package["integrity"] for package in packages)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("node/worker.mjs", 40),
        ("node/bus.mjs", 25),
        ("node/ask.mjs", 25),
        ("node/tool.mjs", 40),
        ("go/worker.go", 60),
        ("go/bus.go", 65),
    ],
)
def test_a_worker_is_read_in_a_minute(path, limit):
    """The limits that the README names; what workers and clients share is held short, too."""
    source = (EXAMPLES / path).read_text()

    assert len(COUNTED.findall(source)) <= limit
    assert max(map(len, source.expandtabs(4).splitlines())) <= 100
