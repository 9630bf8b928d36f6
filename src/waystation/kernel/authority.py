"""What a principal may do, as a value. `access` issues it afresh for every request; actions ask it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from waystation.kernel.refusals import NotAllowed

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Authority:
    """A principal, how well it is proved, and its permissions.

    `grants` maps a permission (`alarms.acknowledge`) to the sites where it holds, as text ids, or to
    `EVERYWHERE`. What is not in the map is refused.
    """

    principal_id: UUID
    name: str
    roles: tuple[str, ...]
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_machine: bool = False
    strength: str = "password"  # password | mfa | token | device_key | system
    session: str = ""

    def may(self, permission: str, site_id: UUID | str | None = None) -> bool:
        """True when the permission is held at the site, or everywhere."""
        sites = self.grants.get(permission, frozenset())
        if EVERYWHERE in sites:
            return True
        return site_id is not None and str(site_id) in sites

    def require(self, permission: str, site_id: UUID | str | None = None) -> None:
        """Raise NotAllowed unless `may`; the refusal names the permission and this principal's roles."""
        if self.may(permission, site_id):
            return
        roles = ", ".join(self.roles) or "no role"
        where = " at this site" if site_id is not None and self.grants.get(permission) else ""
        raise NotAllowed(
            "access.not_allowed",
            f"{self.name} ({roles}) may not do this{where}: it needs {permission}.",
            "Ask an administrator for the role, or somebody who holds it.",
        )

    def sites(self, permission: str) -> frozenset[str] | None:
        """The sites where the permission holds as text ids; None means everywhere."""
        held = self.grants.get(permission, frozenset())
        return None if EVERYWHERE in held else held
