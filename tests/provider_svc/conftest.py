"""What the tests of the provider service share."""

from tests.bus.conftest import (  # noqa: F401 - fixtures
    connect,
    connection,
    eventually,
    own,
    streams,
)
from tests.links import proxy_to  # noqa: F401 - a fixture
