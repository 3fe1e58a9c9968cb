from pathlib import Path

import pytest

from pepperpy.stack.secrets import ADDRESS, DATABASE, KEYS, TOKENS, compose_secrets, role_passwords
from pepperpy_bus.trust.principals import ROLES
from pepperpy_schemas.errors import BadConfig


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_role_has_its_own_password_in_a_file_that_only_the_owner_reads(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "secrets"
    passwords = role_passwords(folder)
    assert set(passwords) == set(ROLES)
    assert len(set(passwords.values())) == len(ROLES)
    assert mode(folder) == 0o700
    assert {mode(file) for file in folder.iterdir()} == {0o600}
    assert (folder / "worker").read_text() == passwords["worker"]


def test_passwords_are_kept_and_only_missing_ones_are_made(tmp_path: Path) -> None:
    first = role_passwords(tmp_path)
    (tmp_path / "monitor").unlink()
    second = role_passwords(tmp_path)
    assert first.pop("monitor") != second.pop("monitor")
    assert first == second


def test_a_password_that_somebody_opened_to_all_is_refused(tmp_path: Path) -> None:
    role_passwords(tmp_path)
    (tmp_path / "worker").chmod(0o644)
    with pytest.raises(BadConfig, match="worker is open to all users"):
        role_passwords(tmp_path)


def test_what_containers_read_lies_open_in_a_closed_folder(tmp_path: Path) -> None:
    compose_secrets(tmp_path)
    mounted = tmp_path / "mounted"
    assert mode(mounted) == 0o700
    assert {file.name for file in mounted.iterdir()} == {
        *ROLES,
        *KEYS,
        *TOKENS,
        DATABASE,
        ADDRESS,
        "nats-users.conf",
    }
    assert {mode(file) for file in mounted.iterdir()} == {0o644}
    users = (mounted / "nats-users.conf").read_text()
    for role in ROLES:
        assert f'password: "{(mounted / role).read_text()}"' in users
    assert "no_auth_user" not in users


def test_the_key_of_a_model_provider_is_mounted_as_it_was_written(tmp_path: Path) -> None:
    compose_secrets(tmp_path)
    assert (tmp_path / "mounted" / "openai-key").read_text() == ""
    (tmp_path / "openai-key").write_text("sk-7\n")
    compose_secrets(tmp_path)
    assert (tmp_path / "mounted" / "openai-key").read_text() == "sk-7"
    assert (tmp_path / "mounted" / "anthropic-key").read_text() == ""


def test_making_them_again_changes_nothing(tmp_path: Path) -> None:
    compose_secrets(tmp_path)
    before = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    compose_secrets(tmp_path)
    assert before == {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
