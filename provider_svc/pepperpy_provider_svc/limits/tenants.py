"""Who a request is for, and which models it may ask.

A principal belongs to the tenant that lists it, else to the one of its own name, else to the tenant
``default`` where one is declared. Any other principal is a tenant of its own, without limits: what
it may do is the broker's business, and an operator who wants more declares ``default``.
"""

from collections.abc import Mapping
from typing import Final

from pepperpy_bus.state.budget import Budgets
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.declared.models import Tenant
from pepperpy_provider_svc.limits.accounts import KEPT, TenantAccount
from pepperpy_schemas.catalog.provider import TENANT_LEDGER
from pepperpy_schemas.errors import BadConfig, PermissionDenied

DEFAULT: Final = "default"
"""Name of the tenant that every principal belongs to that has no other."""


class Tenants:
    """The tenants of the declaration.

    Args:
        declared: The tenants by their names.
        cells: The bucket ``provider``; `BatchedCells` where many ask at the same time.
        clock: The server's clock, which says what day it is.

    Raises:
        BadConfig: A principal is in two tenants, or a pattern of models cannot be read.
    """

    def __init__(self, declared: Mapping[str, Tenant], cells: Cells, clock: ServerClock) -> None:
        self._budgets = Budgets(cells, clock, subject=TENANT_LEDGER, kept=KEPT, follow=True)
        self.reload(declared)

    def reload(self, declared: Mapping[str, Tenant]) -> None:
        """Takes other tenants, or none of them when one is wrong.

        What they have spent stays counted, and limits that changed hold from the next request on.

        Raises:
            BadConfig: A principal is in two tenants, or a pattern of models cannot be read.
        """
        members: dict[str, str] = {}
        for name, tenant in declared.items():
            _check_patterns(name, tenant)
            for principal in tenant.principals:
                if principal in members:
                    raise BadConfig(
                        f"principal {principal} is in the tenants {members[principal]} and {name}",
                        hint="let it be in one, and be a delegate of the other",
                    )
                members[principal] = name
        self._members = members
        self._declared = dict(declared)

    def of(self, principal: str, claimed: str = "") -> TenantAccount:
        """Returns the account that a request is charged to.

        Args:
            principal: Who asks, as the broker has it.
            claimed: For whom, as the request says; empty for its own tenant.

        Raises:
            PermissionDenied: It may not ask for this tenant.
        """
        own = self._own(principal)
        if not claimed or claimed == own:
            return self._account(own)
        tenant = self._declared.get(claimed)
        if tenant is None or principal not in tenant.delegates:
            # The same for a tenant that is not there: who has no business with it learns nothing.
            raise PermissionDenied(
                f"{principal} may not ask for tenant {claimed!r:.80}",
                hint=f"leave the tenant out, or add {principal} to its delegates",
                context={"tenant": claimed, "principal": principal},
            )
        return self._account(claimed)

    def accounts(self) -> list[TenantAccount]:
        """Returns the accounts of all declared tenants."""
        return [self._account(name) for name in self._declared]

    def _own(self, principal: str) -> str:
        if principal in self._members:
            return self._members[principal]
        if principal in self._declared or DEFAULT not in self._declared:
            return principal
        return DEFAULT

    def _account(self, name: str) -> TenantAccount:
        return TenantAccount(name, self._declared.get(name, Tenant()), self._budgets)


def _check_patterns(name: str, tenant: Tenant) -> None:
    for pattern in tenant.models:
        if "*" in pattern[:-1]:
            raise BadConfig(
                f"tenants.{name}.models: {pattern!r} has a * inside",
                hint="write a * at the end only: openai/*",
            )
