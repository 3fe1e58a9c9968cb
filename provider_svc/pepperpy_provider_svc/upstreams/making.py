"""The upstream of a declared provider; its library is imported when it is made."""

from pathlib import Path
from typing import assert_never

from pepperpy_bus.installing import install
from pepperpy_provider_svc.declared.models import Provider
from pepperpy_provider_svc.upstreams.cassette import Cassette, Source, is_tape
from pepperpy_provider_svc.upstreams.upstream import Upstream
from pepperpy_schemas.errors import BadConfig

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 600.0


def make_upstream(
    name: str,
    declared: Provider,
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    local_url: str = "",
    source: Source | None = None,
) -> Upstream:
    """Returns the upstream of a provider; its owner closes it.

    Args:
        name: The provider's name, which errors have.
        declared: What its kind is, and where.
        connect_timeout: Seconds until a connection must be there.
        read_timeout: Seconds of silence that end a call even if nobody else does.
        local_url: Where the model of a ``local`` provider is served, ``/v1`` included; without it
            and without a ``base_url``, a process that serves it is started.
        source: Whom a ``scripted`` provider with ``record`` asks.

    Raises:
        BadConfig: Its library, or the local model, is not installed, or its file cannot be read.
    """
    try:
        match declared.kind:
            case "openai":
                return _chat(name, declared.base_url, connect_timeout, read_timeout)
            case "local":
                if url := declared.base_url or local_url:
                    return _chat(name, url, connect_timeout, read_timeout)
                return _local(name, declared.model, connect_timeout, read_timeout)
            case "openai-responses":
                return _responses(name, declared.base_url, connect_timeout, read_timeout)
            case "anthropic":
                return _messages(name, declared.base_url, connect_timeout, read_timeout)
            case "scripted":
                return _scripted(name, declared, source)
            case other:
                assert_never(other)
    except ImportError as error:
        raise BadConfig(
            f"provider {name} needs the package {error.name}",
            hint=install("provider", "openai", "anthropic"),
        ) from error


def _chat(name: str, url: str, connect_timeout: float, read_timeout: float) -> Upstream:
    from pepperpy_provider_svc.upstreams.openai_endpoint import OpenAIEndpoint
    from pepperpy_provider_svc.upstreams.openai_protocols import CHAT, OpenAI

    at = OpenAIEndpoint(name, url, connect_timeout=connect_timeout, read_timeout=read_timeout)
    return OpenAI(at, CHAT)


def _local(
    name: str, declared: Path | None, connect_timeout: float, read_timeout: float
) -> Upstream:
    """The model loads at the first request: who never asks it has no process of it."""
    from pepperpy_provider_svc.declared.reading import LOCAL_MODEL
    from pepperpy_provider_svc.upstreams.local import Local, model_file
    from pepperpy_provider_svc.upstreams.local_process import LocalProcess, command_for

    file = model_file(declared)
    command = command_for(str(file), LOCAL_MODEL if declared is None else file.stem)
    process = LocalProcess(name, command)
    return Local(name, process, lambda url: _chat(name, url, connect_timeout, read_timeout))


def _responses(name: str, url: str, connect_timeout: float, read_timeout: float) -> Upstream:
    from pepperpy_provider_svc.upstreams.openai_endpoint import OpenAIEndpoint
    from pepperpy_provider_svc.upstreams.openai_protocols import RESPONSES, OpenAI

    at = OpenAIEndpoint(name, url, connect_timeout=connect_timeout, read_timeout=read_timeout)
    return OpenAI(at, RESPONSES)


def _messages(name: str, url: str, connect_timeout: float, read_timeout: float) -> Upstream:
    from pepperpy_provider_svc.upstreams.anthropic import Anthropic

    return Anthropic(name, url, connect_timeout=connect_timeout, read_timeout=read_timeout)


def _scripted(name: str, declared: Provider, source: Source | None) -> Upstream:
    from pepperpy_provider_svc.upstreams.scripted import Scripted

    path = declared.script or Path()
    if declared.record and source is None:
        raise BadConfig(f"provider {name} records {declared.record}, which was not given to it")
    if source is not None or is_tape(path):
        return Cassette(name, path, source)
    return Scripted(name, path)
