"""People, machines, grants: default deny, personal accounts, separated roles, revocation that holds at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.access import actions, queries, rules
from waystation.access.models import Grant, Person
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotSignedIn

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


@given(st.lists(st.tuples(st.sampled_from([*rules.ROLES, "no such role"]), st.none() | st.just("site-1"))))
def test_sec_06_roles_give_what_the_matrix_says_and_nothing_else(held: list[tuple[str, str | None]]) -> None:
    """A permission is held exactly when one of the roles has it."""
    grants = rules.grants_of(held)
    for permission in rules.PERMISSIONS:
        expected = any(permission in rules.ROLES.get(role, frozenset()) for role, _ in held)
        assert (permission in grants) == expected


@pytest.mark.parametrize("role", rules.HUMAN_ROLES)
def test_sec_06_every_permission_outside_a_role_is_refused(role: str, acting: Acting) -> None:
    """Each role meets a refusal for each thing it may not do."""
    who = acting(role)
    for permission in rules.PERMISSIONS:
        if permission in rules.ROLES[role]:
            who.require(permission)
        else:
            with pytest.raises(NotAllowed):
                who.require(permission)


def test_every_role_names_permissions_that_exist() -> None:
    """The matrix has no dead words."""
    assert {p for held in rules.ROLES.values() for p in held} <= set(rules.PERMISSIONS)


def test_only_quality_ends_product_holds() -> None:
    """No other human role may release or reject product."""
    assert [r for r in rules.HUMAN_ROLES if "product.dispose" in rules.ROLES[r]] == ["quality"]


def test_rev_04_the_wiper_cannot_also_release(person: Callable[..., Person], system: Authority, now: datetime) -> None:
    """Roles that check each other exclude each other, in both orders."""
    wiper = person("Rosa", "wiper")
    with pytest.raises(Conflict, match="wiper"):
        actions.grant_role(system, wiper.pk, "stock_controller", now=now)
    keeper = person("Luis", "stock_controller")
    with pytest.raises(Conflict, match="stock_controller"):
        actions.grant_role(system, keeper.pk, "wiper", now=now)


def test_a_grant_ends_at_its_instant(person: Callable[..., Person], system: Authority, now: datetime) -> None:
    """Half-open: held up to the end, not at it."""
    ana = person("Ana")
    actions.grant_role(system, ana.pk, "operator", now=now, until=now + timedelta(hours=1))
    assert queries.authority_of_person(ana, now).may("incidents.work")
    assert not queries.authority_of_person(ana, now + timedelta(hours=1)).may("incidents.work")


def test_ending_a_grant_takes_effect_at_once(person: Callable[..., Person], system: Authority, now: datetime) -> None:
    """The next question is answered with no."""
    ana = person("Ana", "operator")
    actions.end_grant(system, Grant.objects.get(person=ana).pk, reason="left", now=now)
    assert not queries.authority_of_person(ana, now).may("incidents.work")


@pytest.mark.parametrize("name", ["", "  ", "Shared account", "ops team"])
def test_accounts_are_personal(name: str, system: Authority, now: datetime) -> None:
    """A name that is nobody's is refused."""
    with pytest.raises(BadInput) as refused:
        actions.create_person(system, email="x@example.org", name=name, now=now)
    assert refused.value.field == "name"


def test_a_weak_password_is_refused_with_the_reason(system: Authority, now: datetime) -> None:
    """The refusal says what is wrong and never repeats the password."""
    with pytest.raises(BadInput) as refused:
        actions.create_person(system, email="x@example.org", name="Ana", password="short", now=now)
    assert "12" in refused.value.message
    assert "short" not in str(refused.value.as_dict()).replace("too short", "")


def test_a_token_is_shown_once_and_stored_hashed(system: Authority, now: datetime) -> None:
    """The database holds no usable secret."""
    machine, token = actions.create_machine(system, name="gw", role="gateway", site_id=uuid4(), now=now)
    assert token not in str(vars(machine))
    assert queries.authority_of_token(token, now).principal_id == machine.pk


def test_a_gateway_writes_only_for_its_own_site(system: Authority, now: datetime) -> None:
    """The grant of a machine names its site; another site is refused."""
    home, other = uuid4(), uuid4()
    _, token = actions.create_machine(system, name="gw", role="gateway", site_id=home, now=now)
    who = queries.authority_of_token(token, now)
    who.require("telemetry.ingest", home)
    with pytest.raises(NotAllowed):
        who.require("telemetry.ingest", other)
    with pytest.raises(BadInput):
        actions.create_machine(system, name="gw2", role="gateway", now=now)


def test_rev_10_a_revoked_machine_is_nobody_from_that_instant(system: Authority, now: datetime) -> None:
    """Revocation is asked on each request; revoking twice changes nothing."""
    machine, token = actions.create_machine(system, name="gw", role="gateway", site_id=uuid4(), now=now)
    actions.revoke_machine(system, machine.pk, reason="returned", now=now)
    with pytest.raises(NotSignedIn, match="revoked"):
        queries.authority_of_token(token, now)
    again = actions.revoke_machine(system, machine.pk, reason="again", now=now + timedelta(hours=1))
    assert again.revoked_at == now


def test_a_welcome_link_works_once_and_makes_the_first_administrator(system: Authority, now: datetime) -> None:
    """Used or expired it is refused."""
    token = actions.make_welcome_link(system, now=now)
    first = actions.use_welcome_link(
        token, email="ana@example.org", name="Ana", password="correct horse battery", now=now
    )
    assert queries.authority_of_person(first, now).roles == ("administrator",)
    with pytest.raises(NotFound):
        actions.use_welcome_link(token, email="b@example.org", name="Bo", password="correct horse battery", now=now)
    late = actions.make_welcome_link(system, now=now)
    with pytest.raises(NotFound):
        actions.use_welcome_link(
            late, email="b@example.org", name="Bo", password="correct horse b", now=now + timedelta(days=2)
        )


def test_only_an_administrator_changes_who_may_what(acting: Acting, now: datetime) -> None:
    """An operator can create nobody and grant nothing."""
    operator = acting("operator")
    for act in (
        lambda: actions.create_person(operator, email="x@example.org", name="X Y", now=now),
        lambda: actions.grant_role(operator, operator.principal_id, "administrator", now=now),
        lambda: actions.create_machine(operator, name="m", role="integrator", now=now),
        lambda: actions.make_welcome_link(operator, now=now),
        lambda: actions.revoke_machine(operator, uuid4(), reason="", now=now),
    ):
        with pytest.raises(NotAllowed):
            act()
