import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pepperpy.__main__ import main


class Inline:
    """`pepperpy` within the test's own process, against one broker and prefix."""

    def __init__(self, url: str, prefix: str, captured: pytest.CaptureFixture[str]) -> None:
        self.place = ["--nats", url, "--prefix", prefix]
        self._captured = captured
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        """Runs a command to its end; what it printed is in `out` and `err`."""
        self._captured.readouterr()
        with logs_as_they_were():
            code = main([*self.place, *arguments])
        self.out, self.err = self._captured.readouterr()
        return code

    def json(self, *arguments: str) -> Any:
        """Runs a command that prints one JSON document."""
        assert self.run(*arguments, "--json") == 0, self.err
        return json.loads(self.out)


@contextmanager
def logs_as_they_were() -> Iterator[None]:
    """A command sets up the logs of its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    own = [logging.getLogger(name) for name in ("pepperpy", "pepperpy.bus")]
    levels = [one.level for one in own]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for one, was in zip(own, levels, strict=True):
            one.setLevel(was)


class TcpServer:
    """Answers every connection with the same bytes, then hangs up."""

    def __init__(self, answer: bytes, *, listen_first: bool = True) -> None:
        import socket

        self._answer = answer
        self._listen_first = listen_first
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, name="tcp-server", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                if self._listen_first:
                    self.heard.append(peer.recv(4096))
                if self._answer:
                    peer.sendall(self._answer)

    def __enter__(self) -> "TcpServer":
        return self

    def __exit__(self, *exc_info: object) -> None:
        import socket

        # Closing alone does not wake a thread that waits in accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
