"""Values that tasks and agents share."""

from typing import Final

import msgspec

from pepperpy_schemas.alerts import Alert, Silence, Told
from pepperpy_schemas.composites import CompositeState
from pepperpy_schemas.learned_routes import RouterSetting
from pepperpy_schemas.learner_state import LearnerState
from pepperpy_schemas.shared import Ledger, Resource
from pepperpy_schemas.subjects import Subject

AGENT_STATE: Final = Subject(
    "AgentState",
    "$KV.{p}_state.agent.{agent}.{name}",
    msgspec.Raw,
    "A value that all instances of an agent share.",
    examples=('{"seen":17}',),
)
FAMILY_STATE: Final = Subject(
    "FamilyState",
    "$KV.{p}_state.family.{root}.{name}",
    msgspec.Raw,
    "A value that a task and its descendants share; it disappears 30 days after the last change.",
    examples=('{"seen":17}',),
)
KEY_STATE: Final = Subject(
    "KeyState",
    "$KV.{p}_state.key.{agent}.{key}.{name}",
    msgspec.Raw,
    "A value that an agent keeps for one key.",
    examples=('{"seen":17}',),
)
LEASES: Final = Subject(
    "Resource",
    "$KV.{p}_state.lease.{space}.{name}",
    Resource,
    "Who holds how much of a resource, until when, and who waits for it.",
)
LEDGER: Final = Subject(
    "Ledger",
    "$KV.{p}_state.budget.{id}",
    Ledger,
    "What a task and its descendants may spend and have; it disappears 30 days after the last "
    "change.",
)
COMPOSITE: Final = Subject(
    "CompositeState",
    "$KV.{p}_state.composite.{scope}.{entity}.{verb}",
    CompositeState,
    "How far the events of a composite one have been read, and what waits for the rest of it.",
)
ALERT: Final = Subject(
    "Alert",
    "$KV.{p}_state.alert.{id}",
    Alert,
    "What the monitor that leads knows of an alert; one that is over disappears after a day.",
)
ALERT_TOLD: Final = Subject(
    "Told",
    "$KV.{p}_state.alert-told.{receiver}.{group}",
    Told,
    "What a receiver of notifications was told last of a group of alerts.",
)
SILENCE: Final = Subject(
    "Silence",
    "$KV.{p}_state.silence.{id}",
    Silence,
    "Alerts that nobody is told of for a while; it disappears a day after its end.",
)
LEARNER_STATE: Final = Subject(
    "LearnerState",
    "$KV.{p}_state.learner.{kind}.{name}",
    LearnerState,
    "What a learner has learned, changed by compare-and-set alone; it does not disappear.",
)
ROUTER_SETTING: Final = Subject(
    "RouterSetting",
    "$KV.{p}_state.router.{name}",
    RouterSetting,
    "How a learned router routes: its mode, its default, its rewards.",
    examples=('{"mode":"live","default":"small","exploration":0.1}',),
)
