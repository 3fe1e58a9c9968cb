"""The contexts that give commands the logins of the running stack: operator, and who serves."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from pepperpy_bus.config.files import OF_STACK, SERVING
from pepperpy_bus.config.migrations import CONFIG_VERSION, VERSION_KEY
from pepperpy_bus.files import write_secret
from pepperpy_bus.trust.principals import Role

_MARK = "# Written by `pepperpy up`, process "
_ENDINGS: dict[Role, str] = {"operator": "", **{role: f"-{role}" for role in SERVING}}


@contextlib.contextmanager
def context_files(
    folder: Path | None, *, url: str, password_file: Callable[[Role], Path], prefix: str
) -> Iterator[str | None]:
    """Keep a context for the operator and one for each role that serves while the block runs.

    `pepperpy worker` and its like find the latter by the address; the former is chosen by name.

    Args:
        folder: The user's contexts; None where the user has no home.
        url: Address of the broker.
        password_file: Where a role's password lies.
        prefix: The deployment's prefix.

    Yields:
        The name of the operator's; None when there is no place for it.
    """
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_leftovers(folder)
    taken = (folder / f"{OF_STACK}.toml").exists()
    name = f"{OF_STACK}-{url.rsplit(':', 1)[1]}" if taken else OF_STACK
    written: dict[Path, str] = {}
    for role, ending in _ENDINGS.items():
        file = folder / f"{name}{ending}.toml"
        written[file] = _context(url, role, password_file(role), prefix)
        write_secret(file, written[file])
    try:
        yield name
    finally:
        for file, text in written.items():
            if file.is_file() and file.read_text() == text:
                file.unlink()


def _context(url: str, role: Role, password_file: Path, prefix: str) -> str:
    return "\n".join(
        (
            f"{_MARK}{os.getpid()}; it goes when that ends.",
            f"{VERSION_KEY} = {CONFIG_VERSION}",
            "[nats]",
            f"url = {_quoted(url)}",
            f"user = {_quoted(role)}",
            f"password_file = {_quoted(password_file)}",
            "[bus]",
            f"prefix = {_quoted(prefix)}",
            "",
        )
    )


def remove_leftovers(folder: Path) -> None:
    """Remove the contexts of stacks that were killed; a person's own are left alone."""
    for file in folder.glob(f"{OF_STACK}*.toml"):
        if file.is_file() and not file.is_symlink() and _left(file.read_text(errors="replace")):
            file.unlink(missing_ok=True)


def _left(text: str) -> bool:
    pid = text.partition("\n")[0].removeprefix(_MARK).partition(";")[0]
    return text.startswith(_MARK) and pid.isdecimal() and not _runs(int(pid), text)


def _runs(pid: int, text: str) -> bool:
    # The pid may be another process's by now, but the password goes with the stack.
    password = re.search(r'^password_file = (".*")$', text, re.MULTILINE)
    return _alive(pid) and (password is None or Path(msgspec.json.decode(password[1])).exists())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _quoted(text: str | Path) -> str:
    # JSON's strings are TOML's basic strings.
    return msgspec.json.encode(str(text)).decode()
