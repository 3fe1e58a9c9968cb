import shutil
import subprocess

from prometheus_client.parser import text_string_to_metric_families

from pepperpy_monitor_svc.metrics.exposition import exposition
from pepperpy_monitor_svc.metrics.names import METRICS
from pepperpy_monitor_svc.metrics.samples import Sample, samples_of
from tests.monitor_svc.metrics.filled import filled
from tests.requirements import missing


def parsed(text: bytes) -> set[Sample]:
    return {
        Sample(one.name, tuple(sorted((k, v) for k, v in one.labels.items() if v)), one.value)
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def test_prometheus_own_check_has_nothing_to_say_of_any_metric() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool is not installed: scripts/install-system-packages")
    text = exposition(filled()[1])
    done = subprocess.run(
        [promtool, "check", "metrics"], check=False, input=text, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_text_has_every_metric_and_says_the_same_as_the_samples() -> None:
    families = filled()[1]
    assert {family.metric.name for family in families} == set(METRICS)
    samples = list(samples_of(families))
    assert len(samples) == len(set(samples))
    assert parsed(exposition(families)) == set(samples)


def test_without_a_value_there_is_no_line() -> None:
    assert exposition([]) == b""
