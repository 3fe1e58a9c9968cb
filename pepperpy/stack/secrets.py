"""The secrets of a deployment: one password file per role, made once and kept.

`python -m pepperpy.stack.secrets FOLDER` makes those of the compose file.
"""

import sys
from pathlib import Path
from urllib.parse import quote

from pepperpy.stack.conf import new_password, render_authorization, role_logins
from pepperpy_bus.files import read_secret, write_file, write_secret
from pepperpy_bus.trust.principals import ROLES, Role

MOUNTED = "mounted"
USERS = "nats-users.conf"
DATABASE = "postgres"
ADDRESS = "memory-url"
"""The password of the memory's database, and the address that has it inside."""
TOKENS = ("dashboard", "edge-token")
"""Tokens of people: of those who read and act in the dashboard, and who send tasks over HTTP."""
KEYS = ("openai-key", "anthropic-key")
"""Files for the keys of model providers; empty where there is none."""


def role_passwords(folder: Path) -> dict[Role, str]:
    """Return the password of each role, from the files of that name; missing ones are made."""
    private_folder(folder)
    return {role: _password(folder / role) for role in ROLES}


def compose_secrets(folder: Path, *, prefix: str = "pp") -> None:
    """Make what compose mounts: the broker's users, all passwords, keys of providers.

    Compose mounts a file with the owner and mode that it has on the host, where the processes of
    the containers are other users. So these copies are open, in a folder that is closed.
    """
    passwords = role_passwords(folder)
    mounted = folder / MOUNTED
    private_folder(mounted)
    for role, password in passwords.items():
        write_file(mounted / role, password, mode=0o644)
    for name in TOKENS:
        write_file(mounted / name, _password(folder / name), mode=0o644)
    password = _password(folder / DATABASE)
    write_file(mounted / DATABASE, password, mode=0o644)
    address = f"postgresql://pepperpy:{quote(password, safe='')}@{DATABASE}/pepperpy"
    write_file(mounted / ADDRESS, address, mode=0o644)
    for name in KEYS:
        write_file(mounted / name, _key(folder / name), mode=0o644)
    users = render_authorization(role_logins(passwords, prefix=prefix))
    write_file(mounted / USERS, users, mode=0o644)


def private_folder(folder: Path) -> None:
    """Make a folder, or close an existing one, so that only its owner may look into it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def _password(file: Path) -> str:
    if not file.exists():
        write_secret(file, new_password())
    return read_secret(file)


def _key(file: Path) -> str:
    if not file.exists():
        write_secret(file, "")
    return file.read_text("utf-8").strip()


if __name__ == "__main__":
    compose_secrets(Path(sys.argv[1]))
