"""What a principal may do, as a value. `access` issues it afresh for every request; actions ask it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from waystation.kernel.refusals import NotAllowed

EVERYWHERE = "*"
MOST_NAMED = 4  # a longer list of roles helps nobody


@dataclass(frozen=True, slots=True)
class Terms:
    """Permissions in words, for people: what each one allows, and the roles that give it."""

    allows: Mapping[str, str] = field(default_factory=dict)
    given_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def role(self, slug: str) -> str:
        """A role as people say it."""
        return self.roles.get(slug, slug.replace("_", " "))


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
    terms: Terms = field(default_factory=Terms, compare=False, repr=False)

    def may(self, permission: str, site_id: UUID | str | None = None) -> bool:
        """True when the permission is held at the site, or everywhere."""
        sites = self.grants.get(permission, frozenset())
        if EVERYWHERE in sites:
            return True
        return site_id is not None and str(site_id) in sites

    def require(self, permission: str, site_id: UUID | str | None = None) -> None:
        """Raise NotAllowed unless `may`; the refusal says what is not allowed, in words, and which roles allow it."""
        if self.may(permission, site_id):
            return
        held = ", ".join(map(self.terms.role, self.roles)) or "no role"
        elsewhere = site_id is not None and bool(self.grants.get(permission))
        raise NotAllowed(
            "access.not_allowed",
            f"{self.name} ({held}) may not {self.terms.allows.get(permission, permission)}"
            f"{' at this site' if elsewhere else ''}.",
            self._who_may(permission, elsewhere),
        )

    def require_somewhere(self, permission: str) -> None:
        """Raise NotAllowed unless the permission is held at one site at least; what is shown is by its sites."""
        if not self.grants.get(permission):
            self.require(permission)

    def _who_may(self, permission: str, elsewhere: bool) -> str:
        if elsewhere:
            return "Ask somebody whose role holds at this site, or an administrator to widen yours."
        roles = self.terms.given_by.get(permission, ())
        if not roles or len(roles) > MOST_NAMED:
            return "Ask an administrator for a role that may."
        return f"Who may: {', '.join(map(self.terms.role, roles))}."

    def sites(self, permission: str) -> frozenset[str] | None:
        """The sites where the permission holds as text ids; None means everywhere."""
        held = self.grants.get(permission, frozenset())
        return None if EVERYWHERE in held else held
