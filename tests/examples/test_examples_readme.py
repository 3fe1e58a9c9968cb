import json
import re
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
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
