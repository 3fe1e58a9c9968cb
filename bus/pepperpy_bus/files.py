"""Files that are whole or not there, and files that only their owner reads."""

import os
import stat
import tempfile
from pathlib import Path

from pepperpy_schemas.errors import BadConfig

SECRET_MODE = 0o600
DEFAULT_MODE = 0o644

# Compose and Kubernetes mount secrets here readable by all, and only the container sees them.
_MOUNTED_SECRETS = (Path("/run/secrets"), Path("/var/run/secrets"))
_LARGEST_SECRET = 64 * 1024


def write_file(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Writes a file at once: a reader sees the old content or the new, never a part.

    A symbolic link stays one; its target is replaced. The parent folder must exist.

    Args:
        path: Where to write.
        content: Text is written in UTF-8.
        mode: Permissions; by default those of the file that is replaced, else 0644.
    """
    data = content.encode() if isinstance(content, str) else content
    target = path.resolve()
    if mode is None:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else DEFAULT_MODE
    # The rename is atomic only within one file system, so the draft lies beside the target.
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def write_secret(path: Path, secret: str | bytes) -> None:
    """Writes a file that only its owner can read, at once."""
    write_file(path, secret, mode=SECRET_MODE)


def read_secret(path: Path) -> str:
    """Returns the text of a secret file without its final line break.

    Raises:
        BadConfig: The file is missing, empty, no regular file, no text, above 64 KiB, or open to
            all users of the machine (files mounted in `/run/secrets` may be).
    """
    try:
        with os.fdopen(_open_now(path), "rb") as file:
            _check_mode(path, os.fstat(file.fileno()).st_mode)
            data = file.read(_LARGEST_SECRET + 1)
    except OSError as error:
        raise BadConfig(
            f"secret file {path} cannot be read: {error.strerror}",
            hint="check the path and that this user may read it",
        ) from error
    if len(data) > _LARGEST_SECRET:
        raise BadConfig(f"secret file {path} is larger than 64KiB", hint="is it the right file?")
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadConfig(f"secret file {path} is not UTF-8 text") from error
    if not text:
        raise BadConfig(f"secret file {path} is empty", hint="write the secret into it")
    return text


def open_to_all(path: Path) -> bool:
    """Tells whether every user of this machine may read or change the file."""
    return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def _open_now(path: Path) -> int:
    # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise BadConfig(f"secret file {path} is not a regular file")
    mounted = any(path.absolute().is_relative_to(folder) for folder in _MOUNTED_SECRETS)
    if mode & (stat.S_IROTH | stat.S_IWOTH) and not mounted:
        raise BadConfig(
            f"secret file {path} is open to all users of this machine "
            f"(mode {stat.S_IMODE(mode):04o})",
            hint=f"close it: chmod 600 {path}",
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
