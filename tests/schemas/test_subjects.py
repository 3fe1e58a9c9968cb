import msgspec
import pytest

from pepperpy_schemas import codec
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.catalog.tasks import RESULT, STEP, TASK, TASK_BARE
from pepperpy_schemas.errors import BadName, BadPayload
from pepperpy_schemas.messages import ClaimEntry, Result
from pepperpy_schemas.subjects import Subject, bucket_name, stream_name


def test_a_subject_is_built_and_parsed_back() -> None:
    tokens = {"entity": "task", "verb": "failed", "scope": "triage", "id": "PP_TASKS-7"}
    subject = EVENT.of("pp", **tokens)
    assert subject == "pp.event.task.failed.triage.PP_TASKS-7"
    assert EVENT.parse("pp", subject) == tokens


@pytest.mark.parametrize("bad", ["", "a.b", "a..b", "*", ">", " ", "a\r\n", "../x", "x" * 5000])
def test_a_token_that_would_change_the_subject_is_refused(bad: str) -> None:
    with pytest.raises(BadName):
        TASK.of("pp", topic="echo", id=bad)
    with pytest.raises(BadName):
        TASK.pattern("pp", topic="echo", id=bad.replace("*", "**"))


def test_a_pattern_has_a_star_for_every_open_token() -> None:
    assert EVENT.pattern("pp", entity="task", verb="*") == "pp.event.task.*.*.*"
    assert TASK_BARE.pattern("x") == "x.task.*"


@pytest.mark.parametrize(
    "subject", ["pp.task.echo", "xx.task.echo.1", "pp.task.echo.1.2", "ppxtask.echo.1", ""]
)
def test_a_foreign_subject_is_refused(subject: str) -> None:
    with pytest.raises(BadName, match="not a subject of Task"):
        TASK.parse("pp", subject)


@pytest.mark.parametrize("subject", CATALOG, ids=lambda s: s.name)
def test_every_subject_of_the_catalog_is_built_and_parsed(subject: Subject[object]) -> None:
    tokens = {name: f"v{number}" for number, name in enumerate(subject.tokens)}
    assert subject.parse("pp", subject.of("pp", **tokens)) == tokens
    assert subject.doc.endswith(".")
    for example in subject.examples:
        assert codec.decode(example.encode(), subject.type) is not None


def test_names_in_the_catalog_are_unique() -> None:
    assert len({s.name for s in CATALOG}) == len(CATALOG)
    assert len({s.template for s in CATALOG}) == len(CATALOG)


def test_a_subject_encodes_and_decodes_its_message() -> None:
    result = Result(True, msgspec.Raw(b'{"a":1}'))
    body = RESULT.encode(result)
    assert body == b'{"ok":true,"data":{"a":1}}'
    assert RESULT.decode(body) == result
    with pytest.raises(BadPayload, match="ok"):
        RESULT.decode(b"{}")


def test_a_line_of_the_journal_is_told_by_its_kind() -> None:
    body = b'{"kind":"claim","attempt":1,"instance":"i","ts":"2026-01-01T00:00:00Z"}'
    assert isinstance(STEP.decode(body), ClaimEntry)


def test_streams_and_buckets_are_named_by_the_prefix() -> None:
    assert stream_name("pp", "TASKS") == "PP_TASKS"
    assert bucket_name("x", "state") == "x_state"
