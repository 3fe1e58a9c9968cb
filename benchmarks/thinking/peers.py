"""Agno, LangGraph and AutoGen: the interpreter of an environment of their own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("Agno", "LangGraph", "AutoGen")


def python() -> Path | None:
    """Returns it; the environment is made when there is none. None where that cannot be done."""
    venv = ROOT / "build/bench-agents"
    python = venv / "bin/python"
    if not (venv / "installed").exists():
        print(f"installing {', '.join(NAMES)} into build/bench-agents …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
        group = f"{ROOT / 'pyproject.toml'}:bench-agents"
        if subprocess.run([*pip, "install", "--quiet", "--group", group], check=False).returncode:
            print("they cannot be installed: they are left out", file=sys.stderr)
            return None
        (venv / "installed").touch()
    return python
