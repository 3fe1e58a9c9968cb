import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Cli:
    """The real `pepperpy` in processes of its own, against one broker and prefix."""

    def __init__(self, url: str, prefix: str, folder: Path) -> None:
        self.url = url
        self.prefix = prefix
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def command(self, *arguments: str) -> list[str]:
        place = ["--nats", self.url, "--prefix", self.prefix]
        return [sys.executable, "-m", "pepperpy", *place, *arguments]

    def run(
        self, *arguments: str, stdin: str | None = None, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self._folder,
            env=self.environment(),
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Runs a command that prints one JSON document."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command that lasts."""
        return self.spawn(self.command(*arguments), **options)

    def spawn(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        settings: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
            "text": True,
            "cwd": self._folder,
            "env": self.environment(),
        }
        process = subprocess.Popen(command, **{**settings, **options})
        self._started.append(process)
        return process

    def worker(self, *topics: str) -> subprocess.Popen[str]:
        """Starts a worker and returns when it works."""
        script = str(HERE / "raw_worker.py")
        process = self.spawn([sys.executable, script, self.url, self.prefix, *topics])
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")},
            "HOME": str(self._folder),
            "LOGNAME": "ana",
        }

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
