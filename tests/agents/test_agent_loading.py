import sys
from pathlib import Path

import pytest

from pepperpy_agents.loading import load_agent
from pepperpy_schemas.errors import BadConfig

ONE = 'from pepperpy import Agent\nagent = Agent("{name}")\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to load from, as if in a process of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [one for one in sys.modules if one.startswith("shop")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_module_is_found_from_the_current_folder(folder: Path) -> None:
    (folder / "shop_a.py").write_text(ONE.format(name="a"))
    assert load_agent("shop_a:agent").name == "a"
    assert load_agent("shop_a").name == "a"


def test_a_file_is_found_by_its_path(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "shop_b.py").write_text(ONE.format(name="b"))
    assert load_agent("inner/shop_b.py:agent").name == "b"
    assert load_agent(str(folder / "inner/shop_b.py")).name == "b"


def test_a_module_in_a_package_is_found(folder: Path) -> None:
    (folder / "shop_pkg").mkdir()
    (folder / "shop_pkg" / "__init__.py").write_text("")
    (folder / "shop_pkg" / "support.py").write_text(ONE.format(name="c"))
    assert load_agent("shop_pkg.support:agent").name == "c"


def test_several_agents_must_be_told_apart(folder: Path) -> None:
    two = ONE.format(name="a") + 'other = Agent("b")\n'
    (folder / "shop_two.py").write_text(two)
    with pytest.raises(BadConfig, match="has 2 agents") as caught:
        load_agent("shop_two")
    assert "shop_two:agent, shop_two:other" in caught.value.hint
    with pytest.raises(BadConfig, match="no agent named 'third'"):
        load_agent("shop_two:third")


def test_a_module_without_an_agent_says_how_to_define_one(folder: Path) -> None:
    (folder / "shop_none.py").write_text("x = 1\n")
    with pytest.raises(BadConfig, match="has 0 agents") as caught:
        load_agent("shop_none")
    assert 'agent = Agent("name"' in caught.value.hint


@pytest.mark.parametrize("reference", ["shop_missing:agent", "shop_missing.inner:agent"])
def test_a_missing_module_is_named(folder: Path, reference: str) -> None:
    with pytest.raises(BadConfig, match="no module 'shop_missing"):
        load_agent(reference)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(BadConfig, match=r"there is no file agents/shop\.py"):
        load_agent("agents/shop.py:agent")


def test_a_missing_dependency_is_told_apart(folder: Path) -> None:
    (folder / "shop_needs.py").write_text("import surely_not_installed\n")
    with pytest.raises(BadConfig, match="it needs surely_not_installed") as caught:
        load_agent("shop_needs:agent")
    assert caught.value.hint == "pip install surely_not_installed"


def test_a_file_named_like_another_module_is_refused(folder: Path) -> None:
    (folder / "json.py").write_text(ONE.format(name="a"))
    with pytest.raises(BadConfig, match="has the name of another module"):
        load_agent("./json.py:agent")


FAULTS = {
    "x = (1,\n": "line 1: SyntaxError: '(' was never closed",
    'agent.task("x", retrys=3)\n': "line 3: TypeError: Agent.task() got an unexpected keyword",
    'agent.task("x", timeout="5 parsecs")\n': "line 3: duration '5 parsecs' is not understood",
    "import json\njson.loads('{')\n": "line 4: JSONDecodeError: ",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_in_the_agents_file_is_told_with_file_and_line(folder: Path, fault: str) -> None:
    begin = "" if "never" in FAULTS[fault] else ONE.format(name="a")
    (folder / "shop_wrong.py").write_text(begin + fault)
    with pytest.raises(BadConfig) as caught:
        load_agent("shop_wrong.py:agent")
    assert str(caught.value).startswith(f"shop_wrong.py, {FAULTS[fault]}")


def test_a_mistake_in_what_the_agents_file_imports_is_told_there(folder: Path) -> None:
    (folder / "shop_below.py").write_text("\n1 / 0\n")
    (folder / "shop_above.py").write_text("import shop_below\n")
    with pytest.raises(BadConfig, match=r"^shop_below\.py, line 2: ZeroDivisionError"):
        load_agent("shop_above:agent")


def test_the_hint_of_a_wrong_setting_in_the_agents_file_is_kept(folder: Path) -> None:
    (folder / "shop_hint.py").write_text('from pepperpy import Agent\nAgent("a", version="1")\n')
    with pytest.raises(BadConfig, match=r"^shop_hint\.py, line 2: agent a: version") as caught:
        load_agent("shop_hint:agent")
    assert "three numbers" in caught.value.hint
    assert caught.value.__cause__ is None
