"""What the tests of the monitor share."""

from tests.monitor_svc.monitors import guarded, monitors, operator  # noqa: F401 - fixtures
