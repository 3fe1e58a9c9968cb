import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pepperpy.__main__ import COMMANDS, main
from tests.requirements import missing

SCRIPT = Path(sys.executable).parent / "pepperpy"


def completed(words: str, *, shell: str = "bash") -> list[str]:
    """What the shell is offered for a line; the last word is the one to complete."""
    asked = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
        "fish": {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = subprocess.run(
        [str(SCRIPT)],
        env={**os.environ, "_PEPPERPY_COMPLETE": f"complete_{shell}", **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_goes_to_stdout_and_how_to_install_it_to_stderr(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr()
    assert f"_PEPPERPY_COMPLETE=complete_{shell}" in printed.out
    assert f"pepperpy completion {shell}" in printed.err
    assert "pepperpy completion" not in printed.out


def test_an_unknown_shell_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["completion", "tcsh"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "bash" in printed.err


def test_commands_subcommands_options_and_choices_are_completed() -> None:
    assert set(completed("pepperpy ")) == set(COMMANDS)
    assert completed("pepperpy ag") == ["agents"]
    assert completed("pepperpy agents p") == ["pause"]
    assert "--consumers" in completed("pepperpy bus info --")
    assert completed("pepperpy completion f") == ["fish"]


def test_every_shell_gets_its_own_form() -> None:
    assert completed("pepperpy completion ", shell="fish") == ["bash", "zsh", "fish"]
    assert '"check":"Compare' in completed("pepperpy bus ", shell="zsh")[2]


def test_bash_takes_the_script_and_completes_by_it() -> None:
    if shutil.which("bash") is None:
        missing("there is no bash")
    script = (
        f'eval "$({SCRIPT} completion bash 2>/dev/null)"\n'
        "complete -p pepperpy\n"
        "COMP_WORDS=(pepperpy bus r); COMP_CWORD=2; _pepperpy_completion pepperpy\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["roles"]
