import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from pepperpy_schemas import codec
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.compat import compare_messages, read_directory
from pepperpy_schemas.exporting import message_schemas

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCRIPT = ROOT / "scripts" / "update_golden.py"
VERSIONS = sorted(path.name for path in (GOLDEN / "schemas").glob("v*"))
TYPES = {subject.name: subject.type for subject in MESSAGES}
BODIES = sorted((GOLDEN / "messages").glob("v*/*.json"))
NEWEST = f"v{max(int(version[1:]) for version in VERSIONS)}"


def update(golden: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, "--golden", golden, *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the golden files that a test may change."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "golden"))


def test_this_version_and_the_released_one_read_each_other() -> None:
    changes = compare_messages(read_directory(GOLDEN / "schemas" / NEWEST), message_schemas())
    assert [change for change in changes if change.breaking] == []


def test_every_message_has_golden_bodies() -> None:
    named = {path.name.split(".")[0] for path in BODIES if path.parent.name == NEWEST}
    assert named == set(TYPES)


@pytest.mark.parametrize("path", BODIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_released_body_is_still_read(path: Path) -> None:
    name = path.name.split(".")[0]
    message = codec.decode(path.read_bytes(), TYPES[name])
    again = codec.encode(message)
    assert codec.decode(again, TYPES[name]) == message


@pytest.mark.parametrize("path", BODIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_released_body_loses_nothing_when_it_is_written_again(path: Path) -> None:
    name, version = path.name.split(".")[0], path.parent.name
    body = json.loads(path.read_bytes())
    if not path.name.startswith(f"{name}.full"):
        return
    again = json.loads(codec.encode(codec.decode(path.read_bytes(), TYPES[name])))
    assert _kept(body, again)
    schema = json.loads((GOLDEN / "schemas" / version / f"{name}.json").read_bytes())
    jsonschema_rs.Draft202012Validator(schema).validate(again)


def _kept(body: object, again: object) -> bool:
    """Whether all of a body is in another one, which may spell defaults out besides."""
    if isinstance(body, dict) and isinstance(again, dict):
        return all(name in again and _kept(one, again[name]) for name, one in body.items())
    if isinstance(body, list) and isinstance(again, list):
        return len(body) == len(again) and all(map(_kept, body, again))
    return body == again


def test_the_golden_files_are_fresh() -> None:
    found = update(GOLDEN, "--check")
    assert (found.returncode, found.stdout) == (0, ""), "run: python scripts/update_golden.py"


def test_new_messages_are_added_and_old_ones_kept(golden: Path) -> None:
    first = golden / "messages" / NEWEST / "Token.full-1.json"
    old = first.read_bytes()
    first.write_bytes(old.replace(b'"t": "t"', b'"t": "from an older release"'))
    kept = first.read_bytes()
    assert kept != old
    checked = update(golden, "--check")
    assert (checked.returncode, checked.stdout) == (1, f"messages/{NEWEST}/Token.full-2.json\n")
    assert update(golden).returncode == 0
    assert first.read_bytes() == kept
    assert first.with_name("Token.full-2.json").read_bytes() == old
    assert update(golden, "--check").returncode == 0


def test_an_incompatible_change_is_refused_until_a_new_version_begins(golden: Path) -> None:
    path = golden / "schemas" / NEWEST / "Token.json"
    schema = json.loads(path.read_bytes())
    schema["properties"]["seq"] = {"type": "string"}
    path.write_text(json.dumps(schema))
    refused = update(golden)
    assert refused.returncode == 1
    assert "Token.seq: old messages may be string, the new schema takes integer" in refused.stderr
    assert json.loads(path.read_bytes()) == schema
    assert update(golden, "--new-version").returncode == 0
    assert json.loads(path.read_bytes()) == schema
    assert (golden / "schemas" / f"v{int(NEWEST[1:]) + 1}" / "Token.json").exists()
    assert update(golden, "--check").returncode == 0


def test_a_version_that_nobody_has_used_yet_is_written_anew(golden: Path) -> None:
    path = golden / "schemas" / NEWEST / "Token.json"
    body = golden / "messages" / NEWEST / "Token.full-1.json"
    path.write_text('{"type": "string"}')
    body.write_text('"text"')
    assert update(golden).returncode == 1
    assert update(golden, "--unreleased").returncode == 0
    assert path.read_bytes() == (GOLDEN / "schemas" / NEWEST / "Token.json").read_bytes()
    assert body.read_bytes() == (GOLDEN / "messages" / NEWEST / "Token.full-1.json").read_bytes()
    assert update(golden, "--new-version").returncode == 0
    assert update(golden, "--unreleased").returncode == 0
    assert update(golden, "--check").returncode == 0
    assert len(list((golden / "schemas").iterdir())) == len(VERSIONS) + 1


def test_the_first_version_is_written_from_nothing(tmp_path: Path) -> None:
    assert update(tmp_path).returncode == 0
    assert (tmp_path / "schemas" / "v1" / "index.json").exists()
    assert (tmp_path / "asyncapi.json").read_bytes() == (GOLDEN / "asyncapi.json").read_bytes()
