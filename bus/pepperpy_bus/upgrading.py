"""A deployment as it is and as this version declares it: compared, and changed without a loss.

`streams.provision` does that for streams alone; here is what has to be done for what they hold.
"""

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams import provision
from pepperpy_bus.streams.provision import Drift
from pepperpy_bus.streams.topology import Config
from pepperpy_bus.tasks.moved_wakes import OldWakes


async def compare(connection: Connection, declared: list[Config]) -> list[Drift]:
    """Returns every difference between the declared streams and the broker's, and what is left."""
    drifts = await provision.compare(connection, declared)
    old_wakes = OldWakes(connection, declared)
    left = await old_wakes.count()
    return [*drifts, Drift(old_wakes.stream, "wakes", 0, left, fixed=False)] if left else drifts


async def apply(connection: Connection, declared: list[Config]) -> list[Drift]:
    """Makes the broker's streams as declared; returns what was different.

    Raises:
        TopologyDrift: A difference is in a setting that cannot be changed in place, or workers of
            an earlier version are up. Nothing at all is changed then.
    """
    drifts = await compare(connection, declared)
    provision.refuse_fixed(drifts)
    old_wakes = OldWakes(connection, declared)
    await old_wakes.give_up()
    await provision.apply(connection, declared)
    await old_wakes.move()
    return drifts
