"""What may replace what: each answer with its reason; what is unknown is never allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.spares.rules import compatibility as c

GATEWAY = c.Requirement("gateway", c.Range("4.2"))
SITE = c.Installed("CTL-200", "A", "M12", (("gateway", "4.1"),))
RULES = (
    c.Rule("CTL-200", "CTL-220", revisions=c.Range("A", "A")),
    c.Rule("CTL-200", "CTL-220", revisions=c.Range("B", "D"), requires=(GATEWAY,)),
)
models = st.sampled_from(["FW-1", "FW-2", "FW-3", "FW-4", "FW-5"])
free_rules = st.lists(st.builds(c.Rule, models, models, condition=st.sampled_from(["", "ask"])), max_size=25)
texts = st.sampled_from(["", "A", "B", "1.0", "1.2", "1.10", "4.1", "4.2"])
ranges = st.builds(c.Range, texts, texts)
rules = st.lists(
    st.builds(
        c.Rule,
        models,
        models,
        ranges,
        ranges,
        st.none() | ranges,
        st.lists(st.builds(c.Requirement, st.just("gateway"), ranges), max_size=2).map(tuple),
        st.sampled_from(["", "serial adapter"]),
        st.sampled_from([(), ("bracket",)]),
        st.sampled_from(["", "ask the owner"]),
    ),
    max_size=6,
)
places = st.builds(
    c.Installed, models, texts, texts, st.sampled_from([(), (("gateway", "4.1"),), (("gateway", "4.2"),)])
)
offers = st.builds(c.Offered, st.sampled_from(["Sevilla", "Madrid"]), models, texts, texts, texts, st.just(frozenset()))


def offer(place: str = "València", model: str = "CTL-220", revision: str = "B", **more: object) -> c.Offered:
    return c.Offered(place, model, revision, connector="M12", **more)  # type: ignore[arg-type]


def test_cls_06_the_refusal_says_what_the_revision_needs_and_what_the_site_runs() -> None:
    """The sentence of the incident page, word for word."""
    found = c.fits(SITE, offer(), RULES)
    assert found.words() == "València refused: revision B needs gateway 4.2; this site runs 4.1."
    newer = c.Installed("CTL-200", "A", "M12", (("gateway", "4.10"),))
    assert c.fits(newer, offer(), RULES).verdict == "allowed"
    assert c.fits(SITE, offer(revision="A"), RULES).words() == "València allowed: replaces CTL-200."


def test_cls_06_an_unknown_fact_is_a_condition_and_never_allowed() -> None:
    """Unknown gateway, revision, firmware or plug: somebody checks first."""
    blank = c.Installed("CTL-200", "A", "M12")
    assert c.fits(blank, offer(), RULES).words() == (
        "València conditional: revision B needs gateway 4.2: check what this site runs."
    )
    assert c.fits(SITE, offer(revision=""), RULES[:1]).verdict == "conditional"
    rule = c.Rule("CTL-200", "CTL-220", firmware=c.Range("2.0", "3.1"))
    assert "firmware is unknown: check that it is 2.0 to 3.1" in c.fits(SITE, offer(), [rule]).words()
    unplugged = c.Installed("CTL-200", "A", "", (("gateway", "4.2"),))
    assert c.fits(unplugged, offer(), RULES).verdict == "conditional"


def test_cls_06_firmware_outside_its_range_is_loaded_first_or_refused() -> None:
    """Conditional only where the rule knows a firmware that can be loaded."""
    fixed = c.Rule("CTL-200", "CTL-220", firmware=c.Range("3.0", "3.9"))
    loads = c.Rule("CTL-200", "CTL-220", firmware=c.Range("3.0", "3.9"), loadable=c.Range("3.1", "3.1"))
    old = offer(firmware="2.4")
    assert c.fits(SITE, old, [fixed]).words() == "València refused: firmware 2.4 is outside 3.0 to 3.9."
    assert c.fits(SITE, old, [loads]).words() == "València conditional: load firmware 3.1 first; it has 2.4."
    assert c.fits(SITE, offer(firmware="3.5"), [fixed]).verdict == "allowed"


def test_cls_06_a_connector_needs_its_adapter_and_a_kit_its_lines() -> None:
    """With the adapter in the kit conditional, without refused; a kit that lacks a line is refused."""
    plug = c.Installed("CTL-200", "A", "RJ45", ())
    rule = c.Rule("CTL-200", "CTL-220", adapter="M12-RJ45 lead", kit_lines=("bracket", "tamper seal"))
    full = frozenset({"M12-RJ45 lead", "bracket", "tamper seal"})
    assert c.fits(plug, offer(kit_lines=full), [rule]).words().endswith("use M12-RJ45 lead, which lies in the kit.")
    assert "its kit lacks tamper seal" in c.fits(plug, offer(kit_lines=full - {"tamper seal"}), [rule]).words()
    assert c.fits(plug, offer(kit_lines=full - {"M12-RJ45 lead"}), [rule]).verdict == "refused"
    assert "M12 does not fit RJ45" in c.fits(plug, offer(), [c.Rule("CTL-200", "CTL-220")]).words()


def test_cls_06_without_a_rule_only_the_same_model_and_revision_fits() -> None:
    """Another revision is asked about, another model refused."""
    assert c.fits(SITE, offer(model="CTL-200", revision="A"), ()).verdict == "allowed"
    assert c.fits(SITE, offer(model="CTL-200", revision="C"), ()).verdict == "conditional"
    assert c.fits(SITE, offer(model="CTL-200", revision=""), ()).verdict == "conditional"
    assert c.fits(SITE, offer(model="X"), ()).words() == "València refused: no rule says that X replaces CTL-200."
    assert c.fits(c.Installed("CTL-220", "A", "M12"), offer(model="CTL-200"), RULES).verdict == "refused", "directed"


@given(places, st.lists(offers, max_size=5), rules)
def test_cls_06_every_offer_is_answered_with_a_reason_and_none_is_dropped(
    place: c.Installed, offered: list[c.Offered], known: list[c.Rule]
) -> None:
    """Allowed first, refused last, each with at least one reason, whatever the facts."""
    found = c.replacements(place, offered, known)
    assert len(found) == len(offered)
    assert all(f.reasons and all(f.reasons) for f in found)
    order = [("allowed", "conditional", "refused").index(f.verdict) for f in found]
    assert order == sorted(order)


@given(places, offers, rules)
def test_cls_06_allowed_means_that_nothing_relevant_is_unknown_or_outside(
    place: c.Installed, offered: c.Offered, known: list[c.Rule]
) -> None:
    """An allowed offer holds every bound of at least one rule that names it, or is the very same thing."""
    if c.fits(place, offered, known).verdict != "allowed":
        return
    applying = [r for r in known if (r.installed, r.offered) == (place.model, offered.model)]
    assert place.connector == offered.connector
    if not applying:
        assert (place.model, place.revision) == (offered.model, offered.revision)
        return
    runs = dict(place.runs)
    assert any(
        (r.revisions == c.Range() or (offered.revision and r.revisions.holds(offered.revision)))
        and (r.firmware == c.Range() or (offered.firmware and r.firmware.holds(offered.firmware)))
        and all(need.component in runs and need.versions.holds(runs[need.component]) for need in r.requires)
        and not r.condition
        for r in applying
    )


@given(st.lists(models, max_size=5), free_rules)
def test_siz_14_a_group_holds_only_models_that_replace_each_other_freely(
    known: list[str], between: list[c.Rule]
) -> None:
    """Each model in one group; inside a group every pair both ways without a condition."""
    found = c.groups(known, between)
    assert sorted(m for g in found for m in g) == sorted(set(known))
    free = {(r.installed, r.offered) for r in between if not r.condition}
    for group in found:
        assert all((a, b) in free for a in group for b in group if a != b)
    assert c.groups(reversed(known), reversed(between)) == found


def test_siz_14_three_compatible_firewalls_are_one_group() -> None:
    """A ring of one-way rules is none."""
    trio = ("FW-1", "FW-2", "FW-3")
    both = [c.Rule(a, b) for a in trio for b in trio if a != b]
    assert c.groups(trio, both) == (trio,)
    assert c.groups(trio, [c.Rule("FW-1", "FW-2"), c.Rule("FW-2", "FW-3"), c.Rule("FW-3", "FW-1")]) == tuple(
        (m,) for m in trio
    )


@pytest.mark.parametrize(
    ("low", "high"), [("4.2", "4.10"), ("A", "B"), ("1.9", "v2"), ("4.2", "4.2a"), ("4.0.9", "4.1"), ("3", "3.0.1")]
)
def test_versions_compare_by_value(low: str, high: str) -> None:
    """4.10 comes after 4.2; closing zeros and a leading v say nothing."""
    assert c.version_key(low) < c.version_key(high)
    assert c.version_key("v4.0") == c.version_key("4")
    assert c.Range(low, high).holds(low)
    assert not c.Range(high).holds(low)


def test_ranges_speak() -> None:
    """Each form of a range has its words."""
    words = [c.Range("1", "1"), c.Range("1", "2"), c.Range("1"), c.Range("", "2"), c.Range()]
    assert [r.words() for r in words] == ["1", "1 to 2", "1 or later", "up to 2", "any"]
