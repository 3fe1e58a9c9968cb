"""Groups whose tasks go where it was learned that they end best: to the stock agent `router`."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pepperpy_bus.registry import Registry
from pepperpy_bus.routing import PATIENCE, Group, members
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.learned_routes import (
    MAX_CHOICES,
    ROUTE,
    RouteChoice,
    RouterSetting,
    RouteTask,
)
from pepperpy_schemas.learning import Plain

_LOOK = 0.5


class LearnedGroup:
    """A group whose router learns which member a task is best sent to.

    What comes back is a `RouteAnswer`, with the member's result in it. A router of the group's name
    has what was learned; each member that is up is a choice, by its topic.

    Args:
        group: The group; its own policy counts for nothing.
        features: What is known of the tasks.
        setting: How the router routes, if this is its first task.

    Example:
        ```python
        writers = LearnedGroup(Group("writers", capability="write"), features={"lang": "en"})
        answer = await bus.run(writers, "otters", type=RouteAnswer)
        ```
    """

    def __init__(
        self,
        group: Group,
        *,
        features: Mapping[str, Plain] | None = None,
        setting: RouterSetting | None = None,
    ) -> None:
        self.group = group
        self.features = dict(features or {})
        self.setting = setting

    async def address(self, registry: Registry, data: Any) -> tuple[str, RouteTask]:
        """Returns the router's topic, and the task with the members that are up as its choices.

        Raises:
            Unavailable: None is up.
            BadConfig: A member works on several topics, and the group does not say on which.
        """
        name, spec = self.group.name, self.group.spec
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not (found := members(name, spec, await registry.instances(version=spec.version))):
            if loop.time() >= deadline:
                raise Unavailable(
                    f"no agent of group {name} is up", hint="see who is: pepperpy agents"
                )
            await asyncio.sleep(_LOOK)
        return ROUTE, RouteTask(
            choices=[RouteChoice(name=one.topic, topic=one.topic) for one in found[:MAX_CHOICES]],
            task=data,
            router=name,
            features=self.features,
            setting=self.setting,
        )
