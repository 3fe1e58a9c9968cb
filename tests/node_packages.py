"""Packages of npm that tests read with, installed once per lock file."""

import shutil
import subprocess
from pathlib import Path

from tests.requirements import missing


def install(folder: Path) -> str:
    """Installs what a folder's lock file names, and returns where node is."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        missing("node or npm is not installed")
    installed, lock = folder / "node_modules" / ".installed", folder / "package-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        # Install scripts of packages are no part of what they read.
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr[-500:]}")
        shutil.copyfile(lock, installed)
    return node
