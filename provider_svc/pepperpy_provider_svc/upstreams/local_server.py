"""The process of a local model: llama.cpp's own server, on a port of the kernel's choice.

It is run as ``python -m pepperpy_provider_svc.upstreams.local_server FILE NAME``, says where it
listens when the model is loaded, and ends with its standard input: whoever started it holds the
other end, and lets go of it however it dies. Its standard output has these words and nothing else;
what the library prints goes to standard error.
"""

import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

READY = "listening "
"""Begins the line that says where it listens."""

FAILED = "failed "
"""Begins the line that says why it does not."""

CONTEXT = 8192
"""Most tokens of a request and its answer; the memory for them is taken at the start."""

_HTTP_THREADS = 16
_ERRORS = 1
_REPEATING = 1.1  # how much less likely a word is that was said just now; 1 is no less


def main(arguments: list[str]) -> None:
    """Serves a model until standard input ends.

    Args:
        arguments: The model's file, GGUF, and the name that answers have.
    """
    say = _own_output()
    watching = threading.Thread(target=_end_with_stdin, name="stdin", daemon=True)
    watching.start()
    try:
        server = _serve(*arguments)
    except RuntimeError as error:
        say(f"{FAILED}{arguments[0]} cannot be loaded: {error}")
        sys.exit(1)
    say(f"{READY}{server.listening_address}")
    watching.join()


def _own_output() -> Callable[[str], None]:
    """Keeps standard output for a few words; returns what says one to who started this process."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(line: str) -> None:
        os.write(kept, f"{line}\n".encode())

    return say


def _serve(file: str, name: str) -> Any:
    # It has no types.
    xllamacpp: Any = import_module("xllamacpp")
    wanted = xllamacpp.CommonParams()
    wanted.model.path = file
    wanted.model_alias = {name}
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    # One answer at a time on one core: the rest of the machine is for others, and an answer does
    # not depend on what else is asked meanwhile.
    wanted.n_parallel = 1
    wanted.cpuparams.n_threads = 1
    wanted.cpuparams_batch.n_threads = 1
    wanted.n_threads_http = _HTTP_THREADS
    wanted.n_ctx = CONTEXT
    wanted.use_jinja = True
    wanted.cache_ram_mib = 0
    wanted.ui = False
    wanted.endpoint_slots = False
    wanted.verbosity = _ERRORS
    wanted.sampling.penalty_repeat = _REPEATING
    return xllamacpp.Server(wanted)


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # The library's own end waits for answers that nobody reads any more.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
