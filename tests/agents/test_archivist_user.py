"""The archivist as a user of its own: it writes in its namespace, and nowhere else."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login, role_logins
from pepperpy_bus.opening import connect
from pepperpy_bus.trust.principals import ROLES
from pepperpy_bus.trust.roles import permissions
from pepperpy_schemas.errors import NotFound, PermissionDenied
from pepperpy_schemas.memory_ingest import INGEST, REINDEX, Document, Ingested, IngestTask
from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest
from tests.memory_svc.archiving import archiving
from tests.memory_svc.memory_service import SETTINGS, remembering

NAME = "archivist"
DECLARED = """
[namespaces.files]
principals = ["archivist", "worker"]

[namespaces.support]
principals = ["worker"]
vouchers = ["worker"]
"""


def logins() -> tuple[Login, ...]:
    """The roles' users, and the archivist as a worker under its own name."""
    named = permissions("worker", principal=NAME)
    memory = permissions("memory", principals=(*ROLES, NAME))
    return (
        *(
            msgspec.structs.replace(one, permissions=memory) if one.user == "memory" else one
            for one in role_logins()
        ),
        Login(user=NAME, password="pw", permissions=named),
    )


async def test_it_writes_as_itself_in_its_own_namespace(
    broker_factory: Callable[..., Broker], tmp_path: Path
) -> None:
    broker = broker_factory(logins=logins())
    declaration = tmp_path / "memory.toml"
    declaration.write_text(DECLARED)
    settings = msgspec.structs.replace(SETTINGS, declaration=declaration)
    inbox = {"nats__inbox_prefix": f"_INBOX_{NAME}"}
    async with (
        connect(broker.url_for("operator")),
        remembering(broker.url_for("memory"), "pp", settings),
        archiving(broker.url_for(NAME), "pp", **inbox),
        connect(broker.url_for("producer")) as producer,
        connect(broker.url_for("worker")) as worker,
    ):
        documents = [Document(file="a.md", text="The ferry leaves at nine.")]
        task = IngestTask(documents=documents)
        done = await producer.run(INGEST, task, type=Ingested, wait="30s")
        assert (done.new, done.namespace) == (1, "files")
        files = worker.memory.within(namespace="files")
        assert [(one.by, one.trusted) async for one in files.export()] == [(NAME, False)]

        elsewhere = IngestTask(documents=documents, namespace="support")
        with pytest.raises(NotFound, match="no namespace 'support'"):
            await producer.run(INGEST, elsewhere, type=Ingested, wait="30s")
        request = ReindexRequest("hashing:32")
        with pytest.raises(PermissionDenied, match="may not re-index"):
            await producer.run(REINDEX, request, type=ReindexProgress, wait="30s")
