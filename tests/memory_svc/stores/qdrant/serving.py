"""Qdrant's REST interface, as far as its client is used here, over the server's engine.

The server itself comes in no package. This speaks as its interface is documented, in a process of
its own that can be killed, with qdrant-edge beneath: the server's own storage and search. What it
cannot show is what only the server does: several shards and nodes, graphs that are built beside the
work, keys.
"""

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import qdrant_edge as edge

VERSION = "1.18.0"


class Collections:
    """The collections of a folder, one call at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards = {
            each.name: edge.EdgeShard.load(str(each))
            for each in folder.iterdir()
            if (each / "edge_config.json").exists()
        }
        self.turn = threading.Lock()

    def exists(self, name: str) -> bool:
        return name in self._shards

    def create(self, name: str) -> None:
        if self.exists(name):
            raise Refused(409, f"Collection `{name}` already exists!")
        config = edge.EdgeConfig(sparse_vectors={"unused": edge.EdgeSparseVectorParams()})
        self._shards[name] = edge.EdgeShard.create(str(self._folder / name), config)

    def shard(self, name: str) -> edge.EdgeShard:
        if not self.exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return self._shards[name]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def _vector(given: Any) -> Any:
    if isinstance(given, dict) and "indices" in given:
        return edge.SparseVector(given["indices"], given["values"])
    return given


def _told(vector: Any) -> Any:
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector


def _filter(given: Any) -> Any:
    if given is None:
        return None
    parts: dict[str, Any] = {
        key: [_condition(each) for each in given[key]]
        for key in ("must", "should", "must_not")
        if given.get(key)
    }
    return edge.Filter(**parts)


def _condition(given: Any) -> Any:
    match given:
        case {"has_id": ids}:
            return edge.HasIdCondition(set(ids))
        case {"is_empty": {"key": key}}:
            return edge.IsEmptyCondition(key)
        case {"key": key, "match": {"value": value}}:
            return edge.FieldCondition(key, match=edge.MatchValue(value))
        case {"key": key, "match": {"any": values}}:
            return edge.FieldCondition(key, match=edge.MatchAny(values))
        case {"key": key, "range": bounds}:
            return edge.FieldCondition(key, range=edge.RangeFloat(**bounds))
        case _:
            return _filter(given)


def _schema(given: Any) -> Any:
    match given["type"]:
        case "keyword":
            return edge.KeywordIndexParams(enable_hnsw=False)
        case "float":
            return edge.FloatIndexParams(enable_hnsw=False)
        case _:
            return edge.IntegerIndexParams(lookup=True, range=False, enable_hnsw=False)


def _record(found: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"id": str(found.id), "payload": found.payload}
    if found.vector is not None:
        told["vector"] = {name: _told(each) for name, each in found.vector.items()}
    return told


# -- what is asked ---------------------------------------------------------------------------------


def _retrieve(shard: edge.EdgeShard, body: Any) -> Any:
    vectors = body.get("with_vector", False)
    found = shard.retrieve(body["ids"], body.get("with_payload", True), vectors)
    return [_record(each) for each in found]


def _scroll(shard: edge.EdgeShard, body: Any) -> Any:
    order = body.get("order_by")
    by = None
    if order is not None:
        last_first = order.get("direction") == "desc"
        direction = edge.Direction.Desc if last_first else edge.Direction.Asc
        by = edge.OrderBy(order["key"], direction)
    found, following = shard.scroll(
        edge.ScrollRequest(
            offset=body.get("offset"),
            limit=body["limit"],
            filter=_filter(body.get("filter")),
            with_payload=body["with_payload"],
            order_by=by,
        )
    )
    following = None if following is None else str(following)
    return {"points": [_record(each) for each in found], "next_page_offset": following}


def _query(shard: edge.EdgeShard, body: Any) -> Any:
    asked = body["query"]
    nearest = asked.get("nearest", asked) if isinstance(asked, dict) else asked
    given = body.get("params") or {}
    found = shard.query(
        edge.QueryRequest(
            body["limit"],
            query=edge.Query.Nearest(_vector(nearest), using=body["using"]),
            filter=_filter(body.get("filter")),
            with_payload=body["with_payload"],
            params=edge.SearchParams(exact=bool(given.get("exact"))),
        )
    )
    points = [
        {"id": str(each.id), "version": 0, "score": each.score, "payload": each.payload}
        for each in found
    ]
    return {"points": points}


def _count(shard: edge.EdgeShard, body: Any) -> Any:
    return {"count": shard.count(edge.CountRequest(True, _filter(body["filter"])))}


def _facet(shard: edge.EdgeShard, body: Any) -> Any:
    request = edge.FacetRequest(body["key"], body["limit"], True, _filter(body["filter"]))
    hits = shard.facet(request).hits
    return {"hits": [{"value": each.value, "count": each.count} for each in hits]}


# -- what is changed -------------------------------------------------------------------------------

Update = edge.UpdateOperation


def _upsert(body: Any) -> edge.UpdateOperation:
    points = [
        edge.Point(
            each["id"],
            {name: _vector(vector) for name, vector in each["vector"].items()},
            each["payload"],
        )
        for each in body["points"]
    ]
    updates = body.get("update_mode") == "update_only"
    mode = edge.UpdateMode.UpdateOnly if updates else edge.UpdateMode.Upsert
    return Update.upsert_points(points, _filter(body.get("update_filter")), mode)


def _delete(body: Any) -> edge.UpdateOperation:
    if "points" in body:
        return Update.delete_points(body["points"])
    return Update.delete_points_by_filter(_filter(body["filter"]))


def _set(body: Any) -> edge.UpdateOperation:
    if body.get("points"):
        return Update.set_payload(body["points"], body["payload"])
    return Update.set_payload_by_filter(_filter(body["filter"]), body["payload"])


def _clear(body: Any) -> edge.UpdateOperation:
    return Update.delete_payload_by_filter(_filter(body["filter"]), body["keys"])


def _index(body: Any) -> edge.UpdateOperation:
    return Update.create_field_index(body["field_name"], _schema(body["field_schema"]))


READS: dict[tuple[str, str], Callable[[edge.EdgeShard, Any], Any]] = {
    ("POST", "points"): _retrieve,
    ("POST", "points/scroll"): _scroll,
    ("POST", "points/query"): _query,
    ("POST", "points/count"): _count,
    ("POST", "facet"): _facet,
}
UPDATES: dict[tuple[str, str], Callable[[Any], edge.UpdateOperation]] = {
    ("PUT", "points"): _upsert,
    ("POST", "points/delete"): _delete,
    ("POST", "points/payload"): _set,
    ("POST", "points/payload/delete"): _clear,
    ("PUT", "index"): _index,
}


def answer(collections: Collections, method: str, path: str, body: Any) -> Any:
    """Returns the result of a request."""
    match [method, *(unquote(each) for each in path.strip("/").split("/"))]:
        case ["GET", ""]:
            return {"title": "qdrant", "version": VERSION}
        case ["GET", "collections", name, "exists"]:
            return {"exists": collections.exists(name)}
        case ["PUT", "collections", name]:
            collections.create(name)
            return True
        case [_, "collections", name, *rest]:
            return _inside(collections.shard(name), method, rest, body)
    raise Refused(404, f"{method} {path} is not spoken here")


def _inside(shard: edge.EdgeShard, method: str, rest: list[str], body: Any) -> Any:
    asked = method, "/".join(rest)
    if asked in READS:
        return READS[asked](shard, body)
    match [method, *rest]:
        case ["PUT", "vectors", name]:
            shard.update(_named(name, body))
        case ["DELETE", "vectors", name]:
            shard.update(Update.delete_vector_name(name))
        case ["DELETE", "index", name]:
            shard.update(Update.delete_field_index(name))
        case _ if asked in UPDATES:
            shard.update(UPDATES[asked](body))
        case _:
            raise Refused(404, f"{asked} is not spoken here")
    return {"operation_id": 0, "status": "completed"}


def _named(name: str, body: Any) -> edge.UpdateOperation:
    if "dense" in body:
        return Update.create_dense_vector(name, body["dense"]["size"], edge.Distance.Dot)
    return Update.create_sparse_vector(name)


def _handler(collections: Collections) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = urlsplit(self.path).path
            status = 200
            try:
                with collections.turn:
                    result = answer(collections, self.command, path, body)
                # The version alone is told bare.
                told = result if path == "/" else {"result": result, "status": "ok", "time": 0.0}
            except Refused as error:
                status, told = error.status, {"status": {"error": str(error)}, "time": 0.0}
            except Exception as error:
                status, told = 400, {"status": {"error": str(error)}, "time": 0.0}
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            """Is silent."""

    return Handler


def main() -> None:
    """Serves a folder on a port, until it is killed."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(Collections(folder)))
    server.serve_forever()


if __name__ == "__main__":
    main()
