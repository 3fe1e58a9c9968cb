"""What the tests of the memory service share."""

from tests.bus.conftest import (  # noqa: F401 - fixtures
    connect,
    connection,
    eventually,
    own,
    streams,
)
