"""SQL in a PostgreSQL: it only reads, as the operator's user, and for a time."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio

from pepperpy_agents.tools.builtin import postgres as module
from pepperpy_agents.tools.builtin.postgres import postgres_tool, read_databases
from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_schemas.errors import BadConfig
from tests.agents.conftest import wait_until
from tests.agents.tools.builtin.calling import Caller
from tests.memory_svc.stores.making import server_folder

GRANTS = ["postgres.query:shop"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def superuser() -> AsyncIterator[str]:
    """A server with a table, and a user who may do more than its name says: write it, too."""
    with server_folder() as folder:
        async with EmbeddedPostgres(folder, settings={"fsync": "off"}) as server:
            db = await asyncpg.connect(server.url)
            await db.execute(
                "CREATE TABLE parcels (id int, owner text, weight numeric, at timestamptz);"
                "INSERT INTO parcels SELECT n, 'owner ' || n, n / 2.0, 'epoch' FROM"
                " generate_series(0, 999) n;"
                "CREATE ROLE clerk LOGIN; CREATE SEQUENCE numbers;"
                "GRANT ALL ON parcels, numbers TO clerk; GRANT ALL ON SCHEMA public TO clerk"
            )
            await db.close()
            yield server.url


@pytest.fixture
def clerk(superuser: str) -> str:
    scheme, _, rest = superuser.partition("://")
    return f"{scheme}://clerk@{rest.partition('@')[2]}"


@pytest.fixture
def call(clerk: str) -> Caller:
    return Caller([postgres_tool({"shop": clerk, "other": clerk})], GRANTS)


async def test_rows_come_with_their_columns(call: Caller) -> None:
    found = await call(
        "postgres.query",
        database="shop",
        statement="SELECT * FROM parcels WHERE owner = $1 OR id = $2 ORDER BY 1;",
        values=["owner 7", 3],
    )
    assert found["columns"] == ["id", "owner", "weight", "at"]
    assert [row[:3] for row in found["rows"]] == [[3, "owner 3", 1.5], [7, "owner 7", 3.5]]
    assert found["more"] is False


async def test_a_value_is_a_value(call: Caller) -> None:
    for value in ("' OR 1=1 --", "'; DROP TABLE parcels; --", "%"):
        found = await call(
            "postgres.query",
            database="shop",
            statement="SELECT id FROM parcels WHERE owner = $1",
            values=[value],
        )
        assert found["rows"] == []


NOT_READING = {
    "insert": "INSERT INTO parcels VALUES (1)",
    "returning": "INSERT INTO parcels VALUES (1) RETURNING id",
    "CTE": "WITH x AS (DELETE FROM parcels RETURNING id) SELECT * FROM x",
    "drop": "DROP TABLE parcels",
    "two": "SELECT 1; DROP TABLE parcels",
    "closing": "SELECT 1) AS q; DROP TABLE parcels; SELECT * FROM (SELECT 1",
    "comment": "SELECT 1) AS q; DROP TABLE parcels --",
    "block": "DO $$ BEGIN DELETE FROM parcels; END $$",
    "set": "SET transaction_read_only = off",
    "commit": "COMMIT",
    "copy": "COPY parcels TO '/tmp/x'",
    "program": "COPY parcels TO PROGRAM 'id'",
    "sequence": "SELECT nextval('numbers')",
    "read-write": "SELECT set_config('transaction_read_only', 'off', false)",
    "locked": "SELECT * FROM parcels FOR UPDATE",
    "server's file": "SELECT pg_read_file('/etc/passwd')",
    "large object": "SELECT lo_import('/etc/passwd')",
    "others": "SELECT * FROM pg_authid",
}


@pytest.mark.parametrize("statement", NOT_READING.values(), ids=NOT_READING)
async def test_what_is_more_than_reading_is_refused(
    call: Caller, superuser: str, statement: str
) -> None:
    assert await call("postgres.query", database="shop", statement=statement) is None
    assert call.code in {"not_granted", "bad_arguments"}
    found = await call(
        "postgres.query", database="shop", statement="SELECT count(*) AS n FROM parcels"
    )
    assert found["rows"] == [[1000]]


async def test_an_endless_statement_ends(clerk: str) -> None:
    call = Caller([postgres_tool({"shop": clerk}, time_limit="300ms")], GRANTS)
    for endless in ("SELECT pg_sleep(100)", "SELECT count(*) FROM parcels a, parcels b, parcels c"):
        assert await call("postgres.query", database="shop", statement=endless) is None
        assert call.code == "tool_timeout"
    # What a session changes for itself ends with the call, and with its transaction.
    longer = "SELECT set_config('statement_timeout', '0', false), pg_sleep(100)"
    assert await call("postgres.query", database="shop", statement=longer) is None
    assert call.code == "tool_timeout"
    assert await call("postgres.query", database="shop", statement="SELECT 1 AS one")


async def test_many_rows_and_large_values_are_cut(call: Caller) -> None:
    found = await call("postgres.query", database="shop", statement="SELECT id FROM parcels")
    assert (len(found["rows"]), found["more"]) == (200, True)
    large = "SELECT repeat('x', 100000000) AS x"
    found = await call("postgres.query", database="shop", statement=large)
    assert found["columns"] == ["row"]
    assert len(found["rows"][0][0]) < 5000


async def test_a_statement_does_not_get_around_its_limits(call: Caller) -> None:
    around = (
        "SELECT 1) AS q UNION ALL SELECT repeat('x', 10000000)"
        " FROM generate_series(1, 3), (SELECT 1"
    )
    assert await call("postgres.query", database="shop", statement=around) is None
    assert call.code == "bad_arguments"
    assert "syntax error" in call.said


async def test_nobody_is_notified(call: Caller, clerk: str) -> None:
    heard: list[object] = []
    listener = await asyncpg.connect(clerk)
    await listener.add_listener("parcels", lambda *told: heard.append(told[-1]))
    notify = "SELECT 1 AS one FROM (SELECT pg_notify('parcels', 'forged')) x"
    assert await call("postgres.query", database="shop", statement=notify)
    await listener.execute("NOTIFY parcels, 'true'")
    await wait_until(lambda: "true" in heard)
    assert heard == ["true"]
    await listener.close()


async def test_only_granted_and_declared_databases_are_asked(call: Caller, clerk: str) -> None:
    assert await call("postgres.query", database="other", statement="SELECT 1") is None
    assert call.code == "not_granted"
    assert await call("postgres.query", database=clerk, statement="SELECT 1") is None
    assert call.code in {"not_granted", "bad_arguments"}
    wide = Caller([postgres_tool({"shop": clerk})], ["postgres.query"])
    assert await wide("postgres.query", database="nothing", statement="SELECT 1") is None
    assert wide.code == "not_found"


async def test_a_user_who_may_reach_the_servers_machine_is_refused(superuser: str) -> None:
    call = Caller([postgres_tool({"shop": superuser})], GRANTS)
    assert await call("postgres.query", database="shop", statement="SELECT 1") is None
    assert call.code == "bad_config"


@pytest.mark.parametrize("role", ["pg_read_server_files", "postgres"])
async def test_a_user_who_may_become_such_a_user_is_refused(
    superuser: str, clerk: str, role: str
) -> None:
    db = await asyncpg.connect(superuser)
    name = await db.fetchval("SELECT current_user") if role == "postgres" else role
    await db.execute(f'CREATE ROLE sleeper LOGIN NOINHERIT; GRANT "{name}" TO sleeper')
    try:
        address = clerk.replace("clerk@", "sleeper@")
        call = Caller([postgres_tool({"shop": address})], GRANTS)
        become = (
            f"SELECT set_config('role', '{name}', false), query_to_xml('SELECT 1', true, true, '')"
        )
        assert await call("postgres.query", database="shop", statement=become) is None
        assert call.code == "bad_config"
    finally:
        await db.execute("DROP ROLE sleeper")
        await db.close()


async def test_neither_address_nor_password_is_told() -> None:
    address = "postgresql://clerk:secret-word@127.0.0.1:1/shop"
    call = Caller([postgres_tool({"shop": address})], GRANTS)
    assert await call("postgres.query", database="shop", statement="SELECT 1") is None
    assert call.code == "tool_failed"
    assert "secret-word" not in call.said
    assert "clerk" not in call.said


async def test_databases_are_declared_in_a_file(
    clerk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "databases.toml"
    path.write_text(f'shop = "{clerk}"\n')
    path.chmod(0o600)
    monkeypatch.setenv("PEPPERPY_TOOLS_DATABASES", str(path))
    call = Caller([module.QUERY], GRANTS)
    found = await call("postgres.query", database="shop", statement="SELECT 1 AS one")
    assert found["rows"] == [[1]]
    monkeypatch.delenv("PEPPERPY_TOOLS_DATABASES")
    assert await call("postgres.query", database="shop", statement="SELECT 1") is None
    assert call.code == "bad_config"


@pytest.mark.parametrize(("text", "mode"), [("shop = 1", 0o600), ("[[", 0o600), ('a = "b"', 0o644)])
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, text: str, mode: int) -> None:
    path = tmp_path / "databases.toml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(BadConfig, match="databases"):
        read_databases(path)
