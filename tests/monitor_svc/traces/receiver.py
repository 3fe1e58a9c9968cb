"""A receiver of OTLP over HTTP, in a thread: it decodes what it gets, as a collector does."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """What a receiver got; `url` is where it listens while its context is open.

    Attributes:
        services: The names of services by span id.
        spans: The spans by id, the last of equal ids.
        refuses: Answers 400 to everything.
    """

    def __init__(self) -> None:
        self.services: dict[str, str] = {}
        self.spans: dict[str, Span] = {}
        self.refuses = False
        receiver = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != "/v1/traces" or receiver.refuses:
                    self.send_error(400)
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._thread = threading.Thread(target=self._server.serve_forever, name="otlp-receiver")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            service = values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.span_id.hex()] = span
                    self.services[span.span_id.hex()] = service

    def named(self, name: str) -> list[Span]:
        found = [one for one in self.spans.values() if one.name == name]
        return sorted(found, key=lambda one: one.start_time_unix_nano)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def values(attributes: "list[KeyValue] | Any") -> dict[str, Any]:
    """The attributes of a span or resource."""
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}
