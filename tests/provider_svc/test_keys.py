"""The keys of providers: where they lie, and that they are used as they are now."""

from pathlib import Path
from typing import Any

import pytest

from pepperpy_provider_svc.declared.keys import Keys
from pepperpy_provider_svc.declared.models import Declaration
from pepperpy_schemas.errors import BadConfig


def declaration(*keys: dict[str, Any]) -> Declaration:
    return Declaration.model_validate(
        {"providers": {"openai": {"kind": "openai", "keys": keys}, "open": {"kind": "openai"}}}
    )


def write_key(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def secrets(keys: Keys, provider: str = "openai") -> list[str]:
    return [key.secret.get_secret_value() for key in keys.of(provider)]


def test_keys_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    file = write_key(tmp_path / "key", "sk-file\n")
    named = write_key(tmp_path / "named", "sk-named")
    keys = Keys(
        declaration(
            {"name": "a", "env": "A_KEY", "requests_per_minute": 5, "tokens_per_minute": 7},
            {"name": "b", "file": file},
            {"name": "c", "env": "C_KEY"},
        ),
        {"A_KEY": "sk-a", "C_KEY_FILE": str(named)},
    )
    assert secrets(keys) == ["sk-a", "sk-file", "sk-named"]
    first = keys.of("openai")[0]
    assert (first.provider, first.name) == ("openai", "a")
    assert (first.requests_per_minute, first.tokens_per_minute) == (5, 7)
    assert sorted(keys.secrets()) == ["sk-a", "sk-file", "sk-named"]


def test_a_provider_without_keys_has_one_that_is_empty() -> None:
    keys = Keys(declaration({"env": "A"}), {"A": "sk-a"})
    [none] = keys.of("open")
    assert (none.name, none.secret.get_secret_value()) == ("none", "")


def test_a_key_is_never_shown() -> None:
    [key] = Keys(declaration({"env": "A"}), {"A": "sk-a"}).of("openai")
    assert "sk-a" not in repr(key)


def test_a_rotated_key_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    file = write_key(tmp_path / "key", "sk-old")
    keys = Keys(declaration({"file": file}), {})
    assert secrets(keys) == ["sk-old"]
    write_key(tmp_path / "next", "sk-new").replace(file)
    assert secrets(keys) == ["sk-new"]


def test_a_key_that_is_just_being_replaced_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    file = write_key(tmp_path / "key", "sk-old")
    keys = Keys(declaration({"file": file}), {})
    file.unlink()
    assert secrets(keys) == ["sk-old"]
    write_key(file, "sk-new")
    assert secrets(keys) == ["sk-new"]


@pytest.mark.parametrize("text", ["", "\n", "two words", "Schlüssel"])
def test_what_can_be_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BadConfig, match="no key main of provider openai in A") as caught:
        Keys(declaration({"env": "A"}), {"A": text})
    assert "two" not in caught.value.message
    assert "A_FILE" in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"the key main of provider openai: .*gone"):
        Keys(declaration({"file": tmp_path / "gone"}), {})


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    file = write_key(tmp_path / "key", "sk-open")
    file.chmod(0o644)
    with pytest.raises(BadConfig, match="open to"):
        Keys(declaration({"file": file}), {})


def test_a_reload_that_fails_leaves_all_keys_as_they_were(tmp_path: Path) -> None:
    keys = Keys(declaration({"env": "A"}), {"A": "sk-a"})
    with pytest.raises(BadConfig):
        keys.reload(declaration({"env": "B"}))
    assert secrets(keys) == ["sk-a"]
