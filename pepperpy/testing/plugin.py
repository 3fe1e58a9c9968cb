"""The pytest plugin: the fixture ``pepper`` and its marker.

pytest loads this file into every run of every project that has PepperPy installed: it imports
nothing of PepperPy before a test asks for it.
"""

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

try:
    import pytest_asyncio
except ImportError:
    pytest_asyncio = None  # type: ignore[assignment]  # told when a test asks for the fixture

_ASYNC = pytest_asyncio is not None

if TYPE_CHECKING:
    from pepperpy.testing.pepper import Pepper
    from pepperpy_agents import Agent

_MARKER = (
    "pepper(*agents, models=()): the agents whose workers run in the test, as Agent or "
    "'module:agent', and models that they ask for besides default"
)
_INI = "pepperpy_agents"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the setting."""
    parser.addini(_INI, "Agents whose workers run in every test with pepper.", "linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Lets an ``async def`` test with ``pepper`` run without a marker of pytest-asyncio."""
    if not (_ASYNC and inspect.iscoroutinefunction(obj)):
        return
    if name.startswith("test") and "pepper" in inspect.signature(obj).parameters:
        marks = [*getattr(obj, "pytestmark", ()), *collector.iter_markers()]
        if not {mark.name for mark in marks} & {"asyncio", "anyio"}:
            pytest.mark.asyncio(obj)


@pytest.fixture(scope="session")
def _pepper_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from pepperpy.testing.broker import running

    with running(tmp_path_factory.mktemp("pepper-broker")) as url:
        yield url


async def _pepper(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _pepper_broker: str
) -> "AsyncIterator[Pepper]":
    """A bus of this test's own: real broker, workers, a model that says what the test wants."""
    import uuid

    from pepperpy.testing.opening import opened

    prefix = f"t{uuid.uuid4().hex[:12]}"
    agents, models = _wanted(request)
    folder = tmp_path_factory.mktemp("pepper")
    async with opened(_pepper_broker, prefix, folder, agents=agents, models=models) as pepper:
        yield pepper


def _wanted(request: pytest.FixtureRequest) -> "tuple[list[Agent], list[str]]":
    """The agents and models that settings and markers name."""
    named: list[Any] = list(request.config.getini(_INI))
    models: list[str] = []
    for mark in request.node.iter_markers("pepper"):
        named += mark.args
        unknown = mark.kwargs.keys() - {"models"}
        if unknown:
            raise pytest.UsageError(f"the marker pepper takes agents and models, no {unknown}")
        models += mark.kwargs.get("models", ())
    if not any(isinstance(one, str) for one in named):
        return named, models
    from pepperpy_agents.loading import load_agent

    return [load_agent(one) if isinstance(one, str) else one for one in named], models


if _ASYNC:
    pepper = pytest_asyncio.fixture(_pepper, name="pepper")
else:

    @pytest.fixture(name="pepper")
    def pepper() -> None:
        """Says what is missing."""
        pytest.fail("the fixture pepper needs pytest-asyncio: pip install pytest-asyncio", False)
