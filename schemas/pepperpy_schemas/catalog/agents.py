"""Who is there, what it takes, and commands to it."""

from typing import Final

from pepperpy_schemas.messages import AgentCommand, AgentInstance, TopicSchema
from pepperpy_schemas.subjects import Subject

AGENT_CONTROL: Final = Subject(
    "AgentControl",
    "{p}.ctl.agent.{agent}.{command}",
    AgentCommand,
    "The instances of an agent drain, pause or resume.",
)
REGISTRY: Final = Subject(
    "AgentInstance",
    "$KV.{p}_registry.{agent}.{instance}",
    AgentInstance,
    "An instance's heartbeat; it disappears 15 s after the last.",
)
TOPIC_SCHEMA: Final = Subject(
    "TopicSchema",
    "$KV.{p}_schemas.{topic}.{version}",
    TopicSchema,
    "What a topic takes and gives; it stays when no worker is up.",
)
