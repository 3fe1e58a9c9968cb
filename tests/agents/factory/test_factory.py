import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pepperpy import Agent, LLMAgent
from pepperpy_agents.factory import Factory, after_create, before_create, hooks
from pepperpy_schemas.errors import BadConfig

CODE = """
from pepperpy import Agent
agent = Agent("made", version="2.1.0", capabilities=["sort"])
"""
DECLARED = """
name: researcher
version: 1.4.0
instructions: Find it.
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two agents, one in code and one in YAML; hooks that are gone afterwards."""
    (tmp_path / "made_app.py").write_text(CODE)
    (tmp_path / "researcher.yaml").write_text(DECLARED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [one for one in sys.modules if one.startswith("made_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(hooks, "_before", [])
    monkeypatch.setattr(hooks, "_after", [])
    hooks._installed.cache_clear()
    yield tmp_path
    hooks._installed.cache_clear()


def test_agents_are_made_of_code_and_of_declarations_with_their_versions() -> None:
    factory = Factory()
    agents = [factory.create(one) for one in ("made_app.py:agent", "made_app", "researcher.yaml")]
    assert [(one.name, one.version) for one in agents] == [
        ("made", "2.1.0"),
        ("made", "2.1.0"),
        ("researcher", "1.4.0"),
    ]
    assert [(one.agent, one.version, one.error) for one in factory.made] == [
        ("made", "2.1.0", None),
        ("made", "2.1.0", None),
        ("researcher", "1.4.0", None),
    ]
    assert all(one.seconds > 0 for one in factory.made)


def test_an_agent_of_another_kind_is_refused() -> None:
    factory = Factory()
    assert factory.create("researcher.yaml", LLMAgent).name == "researcher"
    with pytest.raises(BadConfig, match="is of kind Agent, not LLMAgent"):
        factory.create("made_app.py", LLMAgent)
    failed = factory.made[-1]
    assert (failed.agent, failed.version) == ("made", "2.1.0")
    assert failed.error is not None
    assert failed.error.code == BadConfig.code


def test_hooks_are_called_in_order_and_may_change_the_agent() -> None:
    told: list[str] = []

    @before_create
    def first(reference: str) -> None:
        told.append(f"before {reference}")

    @after_create
    def tag(agent: Agent) -> None:
        told.append(f"after {agent.name}")
        agent.capabilities = (*agent.capabilities, "tagged")

    factory = Factory(
        before=[lambda reference: told.append(f"own {reference}")],
        after=[lambda agent: told.append(f"own {agent.name} {agent.capabilities}")],
    )
    factory.create("made_app.py:agent")
    assert told == [
        "before made_app.py:agent",
        "own made_app.py:agent",
        "after made",
        "own made ('sort', 'tagged')",
    ]


def test_a_module_may_have_hooks_for_its_own_agents(folder: Path) -> None:
    (folder / "made_own.py").write_text(
        CODE
        + "from pepperpy_agents.factory import after_create\n"
        + "after_create(lambda agent: setattr(agent, 'capabilities', ('own',)))\n"
    )
    assert Factory().create("made_own.py").capabilities == ("own",)


def test_a_hook_refuses_an_agent_by_raising() -> None:
    def ours(reference: str) -> None:
        if not reference.startswith("agents/"):
            raise BadConfig(f"{reference} is not one of ours")

    def wrong(_: Agent) -> None:
        raise KeyError("team")

    with pytest.raises(BadConfig, match="not one of ours"):
        Factory(before=[ours]).create("made_app.py")
    factory = Factory(after=[wrong])
    with pytest.raises(BadConfig, match=r"made_app.py: hook .*wrong raised KeyError: 'team'"):
        factory.create("made_app.py")
    assert factory.made[0].version == "2.1.0"


def test_hooks_of_installed_packages_are_called(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "made_hooks.py").write_text(
        "def tag(agent):\n    agent.capabilities = ('installed',)\n"
    )
    monkeypatch.syspath_prepend(str(folder))

    def points(*, group: str) -> list[EntryPoint]:
        known = {hooks.AFTER: "made_hooks:tag", hooks.BEFORE: ""}
        return [EntryPoint("one", known[group], group)] if known[group] else []

    monkeypatch.setattr("importlib.metadata.entry_points", points)
    assert Factory().create("made_app.py").capabilities == ("installed",)
    hooks._installed.cache_clear()
    (folder / "made_hooks.py").unlink()
    sys.modules.pop("made_hooks", None)
    with pytest.raises(BadConfig, match=r"hook one of pepperpy\.after_create cannot be loaded"):
        Factory().create("made_app.py")


def test_what_cannot_be_made_is_noted_with_its_reason() -> None:
    factory = Factory()
    with pytest.raises(BadConfig):
        factory.create("nowhere.py:agent")
    (failed,) = factory.made
    assert (failed.reference, failed.agent, failed.version) == ("nowhere.py:agent", "", "")
    assert failed.error is not None
    assert "no file" in failed.error.message
