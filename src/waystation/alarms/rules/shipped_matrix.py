"""The severity matrix that ships; every installation edits its own copy."""

from __future__ import annotations

from typing import Any

_OPERATOR = ["operator"]
_BOTH = ["operator", "site_contact"]


def _row(slug: str, when: str, severity: str, says: tuple[str, str], respond_s: int, **more: Any) -> dict[str, Any]:
    pages = {"informational": [], "operator_actionable": _OPERATOR, "immediate_excursion_risk": _BOTH}[severity]
    base = {"slug": slug, "when": when.split(), "severity": severity, "consequence": says[0], "response": says[1]}
    return base | {"respond_within_s": respond_s, "owner": "operator", "pages": list(pages)} | more


_LOST_COOLING = (
    "The space warms; product leaves its profile.",
    "Call the site contact to move the product to the backup space; send the part or the technician.",
)
_BLIND = (
    "Nobody sees this place; nothing is proved meanwhile.",
    "Find the cause; ask for hand readings until it reports.",
)
_RISES = ("The space may leave its profile soon.", "Ask the site contact to close the door and check the unit.")

SHIPPED_MATRIX: tuple[dict[str, Any], ...] = (
    _row(
        "compressor_fault_and_rising",
        "compressor_fault rising",
        "immediate_excursion_risk",
        _LOST_COOLING,
        900,
        delay_s=0,
        never_suppress=True,
    ),
    _row(
        "compressor_fault_and_excursion",
        "compressor_fault excursion",
        "immediate_excursion_risk",
        _LOST_COOLING,
        900,
        delay_s=0,
        never_suppress=True,
    ),
    _row("power_lost_and_rising", "power_lost rising", "immediate_excursion_risk", _LOST_COOLING, 900, delay_s=0),
    _row(
        "generator_failed_and_rising",
        "generator_failed rising",
        "immediate_excursion_risk",
        _LOST_COOLING,
        900,
        delay_s=0,
    ),
    _row("generator_failed", "generator_failed", "operator_actionable", _LOST_COOLING, 900, delay_s=0),
    _row(
        "condensation",
        "condensation",
        "operator_actionable",
        ("Water may settle in the edge cabinet; what stands there may fail.", "Close the cabinet; check its heater."),
        14400,
    ),
    _row(
        "worst_case_limit",
        "worst_case_limit",
        "immediate_excursion_risk",
        ("Product may be lost now: no reading says otherwise.", "Go and measure by hand; move the product in doubt."),
        900,
        delay_s=0,
        never_suppress=True,
    ),
    _row(
        "excursion",
        "excursion",
        "immediate_excursion_risk",
        ("Product is outside its profile.", "Move the product to the backup space and hold it for QA."),
        900,
        delay_s=0,
        deadband_c=0.5,
        deadband_hold_s=4 * 3600,
    ),
    _row("compressor_fault", "compressor_fault", "operator_actionable", _LOST_COOLING, 1800),
    _row("rising_fast", "rising", "operator_actionable", _RISES, 900, delay_s=0, rise_c_per_h=3.0),
    _row("rising_to_limit", "rising", "operator_actionable", _RISES, 900, delay_s=0, within_s=1800),
    _row("rising", "rising", "informational", _RISES, 3600),
    _row("door_open", "door_open", "informational", _RISES, 3600),
    _row("door_open_long", "door_open", "operator_actionable", _RISES, 1800, lasting_s=900, delay_s=0),
    _row(
        "humidity",
        "humidity",
        "informational",
        ("Condensation is possible; temperature is not affected.", "None now: it is logged for the weekly review."),
        86400,
    ),
    _row(
        "humidity_lasting",
        "humidity",
        "operator_actionable",
        ("Packaging and labels may suffer.", "Ask the site contact to check seals and drain."),
        14400,
        lasting_s=4 * 3600,
        delay_s=0,
    ),
    _row("power_lost", "power_lost", "operator_actionable", _LOST_COOLING, 900, delay_s=60),
    _row("site_unreachable", "site_unreachable", "operator_actionable", _BLIND, 900, delay_s=0),
    _row("device_unreachable", "device_unreachable", "operator_actionable", _BLIND, 1800),
    _row("sensor_silent", "sensor_silent", "operator_actionable", _BLIND, 1800),
    _row("sensor_frozen", "sensor_frozen", "operator_actionable", _BLIND, 3600),
    _row("measurement_in_doubt", "measurement_in_doubt", "operator_actionable", _BLIND, 3600),
    _row("hand_reading_missed", "hand_reading_missed", "operator_actionable", _BLIND, 900, delay_s=0),
    _row("circuit_down", "circuit_down", "informational", _BLIND, 3600),
    _row(
        "late_excursion",
        "late_excursion",
        "operator_actionable",
        ("Data that came late show an excursion in the past.", "Hold the product and tell QA."),
        3600,
        delay_s=0,
    ),
    _row(
        "approval_waits",
        "approval_waits",
        "operator_actionable",
        ("A repair stands still while product is at risk.", "Approve or deny the step now."),
        300,
        pages=["supervisor"],
        owner="supervisor",
        delay_s=0,
    ),
    _row(
        "route_test_failed",
        "route_test_failed",
        "operator_actionable",
        ("A real alarm of this site might reach nobody.", "Correct addresses and rotations, then test again."),
        3600,
        delay_s=0,
    ),
    _row(
        "on_call_gap",
        "on_call_gap",
        "operator_actionable",
        ("An hour is ahead in which nobody is on call.", "Add an override for the hours named."),
        3600,
        pages=["supervisor"],
        owner="supervisor",
        delay_s=0,
    ),
)
