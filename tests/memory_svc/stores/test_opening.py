import sys
from pathlib import Path

import pytest

from pepperpy_memory_svc.stores.memory import MemoryStore
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.postgres import PostgresStore
from pepperpy_memory_svc.stores.redis import RedisStore
from pepperpy_schemas.errors import BadConfig, Unavailable
from tests.memory_svc.stores.making import NOW, entry, filled, fresh, server_folder


async def test_an_address_names_the_store(postgres: str) -> None:
    async with open_store("memory:") as store:
        assert isinstance(store, MemoryStore)
    async with open_store(postgres) as store:
        assert isinstance(store, PostgresStore)
        await store.ping()


async def test_a_redis_is_named_with_its_prefix(redis: str) -> None:
    async with open_store(f"{redis}?prefix={fresh()}") as store:
        assert isinstance(store, RedisStore)
        await store.ping()


async def test_an_embedded_store_keeps_what_was_put() -> None:
    with server_folder() as folder:
        async with open_store(f"embedded:{folder}") as store:
            await (await filled(store)).put(entry())
        async with open_store(f"embedded:{folder}") as store:
            assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


async def test_an_embedded_store_without_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat()
    with pytest.raises(BadConfig) as caught:
        async with open_store("embedded:"):
            pass
    assert "embedded: and a folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert (tmp_path.stat().st_mode, tmp_path.stat().st_uid) == (before.st_mode, before.st_uid)


@pytest.mark.parametrize("address", ["", "mysql://user:secret@x", "oracle:x"])
async def test_an_unknown_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(BadConfig, match="no store") as caught:
        async with open_store(address):
            pass
    assert "secret" not in str(caught.value.info())


@pytest.mark.parametrize(
    "address",
    [
        "redis://me:secret@127.0.0.1:port/0",
        "redis://me:se/cret@127.0.0.1:1/0",
        "redis://me:secret@[::1/0",
        "redis://me:secret@127.0.0.1:1/zero",
        "redis://me:secret@127.0.0.1:1/0?socket_timeout=soon",
        "redis:secret",
        "postgresql://me:secret@127.0.0.1:port/n",
        "postgresql://me:se/cret@127.0.0.1/n",
        "postgresql://me:secret@127.0.0.1:99999/n",
        "postgresql://me:secret@[::1/n",
        "postgresql://me:secret@127.0.0.1:1/n?sslmode=maybe",
        "qdrant://:secret@127.0.0.1:port",
        "qdrant://:secret@127.0.0.1:1/a/b",
    ],
)
async def test_a_malformed_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(BadConfig, match="is malformed") as caught:
        async with open_store(address):
            pass
    assert "cret" not in str(caught.value.info())


async def test_a_parameter_that_redis_client_does_not_know_is_named() -> None:
    with pytest.raises(BadConfig, match=r"parameters: nonsense$") as caught:
        async with open_store("redis://me:secret@127.0.0.1:1/0?nonsense=secret"):
            pass
    assert "secret" not in str(caught.value.info())


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("postgresql://me:secret@127.0.0.1:1/n", "at 127.0.0.1:1: "),
        ("postgresql://me:secret@nowhere.invalid/n", "at nowhere.invalid: "),
        ("postgresql://me:secret@/n?host=/nowhere", "at /nowhere: "),
        ("redis://me:secret@127.0.0.1:1/0", "127.0.0.1:1"),
        ("qdrant://:secret@127.0.0.1:1", "at 127.0.0.1:1: "),
    ],
)
async def test_a_server_that_is_not_there_is_named_without_its_password(
    address: str, where: str
) -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        async with open_store(address):
            pass
    assert where in caught.value.message
    assert "secret" not in str(caught.value.info())


async def test_a_place_in_the_process_is_refused() -> None:
    with pytest.raises(BadConfig, match="has no place"):
        async with open_store("memory:folder"):
            pass


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.memory")
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.exact", raising=False)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.namespaces", raising=False)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.generating", raising=False)
    with pytest.raises(BadConfig, match="numpy") as caught:
        async with open_store("memory:"):
            pass
    assert "pip install" in caught.value.hint
