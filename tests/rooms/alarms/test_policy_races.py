"""Two people set one escalation policy in the same instant: one stands, the other is replaced, neither is lost."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from tests.conftest import START
from tests.plugins.at_once import at_once
from tests.samples import a_site
from waystation.access.queries import system_authority
from waystation.alarms import policy
from waystation.alarms.models import EscalationPolicy
from waystation.evidence.models import LogEntry

LEVELS = ({"roles": ["operator"], "wait_s": 60}, {"roles": ["supervisor"], "wait_s": 120})
ROUNDS = 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("real_file")
@pytest.mark.parametrize("everywhere", [True, False])
def test_alr_06_of_policies_set_at_once_one_stands(everywhere: bool) -> None:
    """First ever or after another: exactly one is in force, and both were written down."""
    by, site_id = system_authority("test"), None if everywhere else a_site("cordoba").pk
    for n in range(ROUNDS):
        found = at_once(
            *(lambda level=level: policy.set_policy(by, [level], site_id=site_id, now=START) for level in LEVELS)
        )
        assert all(isinstance(row, EscalationPolicy) for row in found), found
        standing = EscalationPolicy.objects.filter(site_id=site_id, severity="", replaced_at=None)
        assert standing.count() == 1, n
        assert LogEntry.objects.filter(kind="alarms.policy_set").count() == 2 * (n + 1)


@pytest.mark.django_db
def test_the_database_itself_holds_one_standing_policy() -> None:
    """Whatever writes: a second one in force for the same place and severity is no row."""
    site = a_site("cordoba")
    for where in (site, None):
        EscalationPolicy.objects.create(site=where, levels=[], at=START)
        EscalationPolicy.objects.create(site=where, levels=[], at=START, replaced_at=START)
        EscalationPolicy.objects.create(site=where, levels=[], at=START, severity="informational")
        with pytest.raises(IntegrityError), transaction.atomic():
            EscalationPolicy.objects.create(site=where, levels=[], at=START)
