"""Handlers that run in another process, which finds them by name; loaded as a user's file is."""

import os
import time
from pathlib import Path

import msgspec

from pepperpy import Agent


class Job(msgspec.Struct):
    folder: str
    seconds: float = 0.0


agent = Agent("crunch")


@agent.task("square", where="process")
def square(n: int) -> int:
    return n * n


@agent.task("pid", where="process")
def pid(data: None) -> int:
    return os.getpid()


@agent.task("spin", where="process", timeout=0.8, retries=1, retry_delay=0.01)
def spin(job: Job) -> str:
    mark = Path(job.folder) / f"spin-{os.getpid()}-{time.monotonic_ns()}"
    mark.write_text("")
    end = time.monotonic() + job.seconds
    while time.monotonic() < end:
        pass
    return "done"


@agent.task("patient", where="process", retries=5, retry_delay=0.01)
def patient(job: Job) -> str:
    return spin(job)


@agent.task("crash", where="process", retries=1, retry_delay=0.01)
def crash(data: None) -> None:
    os._exit(7)


@agent.task("stop", where="process", retries=0)
def stop(data: None) -> None:
    raise StopIteration("x")


@agent.task("hang", where="process", timeout=None)
def hang(job: Job) -> None:
    (Path(job.folder) / "pid").write_text(str(os.getpid()))
    time.sleep(600)
