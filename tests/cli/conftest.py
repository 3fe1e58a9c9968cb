from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker
from tests.cli.command_line import Cli
from tests.cli.inline import Inline


@pytest.fixture
def cli_on(tmp_path: Path, prefix: str) -> Iterator[Callable[[str], Cli]]:
    """Make the command line of a broker by its URL."""
    made: list[Cli] = []

    def make(url: str) -> Cli:
        made.append(Cli(url, prefix, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def cli(broker: Broker, cli_on: Callable[[str], Cli]) -> Cli:
    return cli_on(broker.url)


@pytest.fixture
def inline(broker: Broker, prefix: str, capsys: pytest.CaptureFixture[str]) -> Inline:
    return Inline(broker.url, prefix, capsys)
