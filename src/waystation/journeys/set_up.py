"""What a network still waits for before it can prove anything or source by itself: people's own words, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.access import queries as access
from waystation.access.models import Person
from waystation.kernel.authority import Authority
from waystation.registry import queries as registry
from waystation.registry.models import ProductProfile, Sensor, Template
from waystation.registry.rules.shipped import ShippedProfile
from waystation.spares import queries as spares
from waystation.spares.models import SourcingRule
from waystation.telemetry import queries as telemetry


@dataclass(frozen=True, slots=True)
class Waiting:
    """What nobody has answered for yet. `uncertified` are judging probes without a certificate valid now."""

    profiles: Sequence[ProductProfile]
    shipped: Sequence[ShippedProfile]  # they wait for nobody, and are not counted
    templates: Sequence[Template]
    chains: Sequence[SourcingRule]
    uncertified: Sequence[Sensor]
    closed_accounts: Sequence[Person]

    @property
    def count(self) -> int:
        """How many things wait."""
        return sum(
            len(rows) for rows in (self.profiles, self.templates, self.chains, self.uncertified, self.closed_accounts)
        )


def waiting(by: Authority, now: datetime) -> Waiting:
    """What waits, of what the caller may see; accounts only for who administers them."""
    by.require("registry.read")
    return Waiting(
        profiles=registry.unapproved_profiles(),
        shipped=registry.shipped_profiles(),
        templates=registry.unpublished_templates(),
        chains=spares.unapproved_chains(by) if by.may("spares.read") else [],
        uncertified=telemetry.uncertified([site.pk for site in registry.sites(by)], now),
        closed_accounts=access.never_opened() if by.may("access.administer") else [],
    )
