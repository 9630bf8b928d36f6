"""INT-09: what the console can do, the API can do, through the same verbs."""

from __future__ import annotations

import inspect

from tests.doors.surface import operations, posting_pages, verbs_of, writes

# forms that no operation answers, each with its reason; a line that is no longer needed fails
ALONE = {
    "me/sign-out/": "ends the browser's own session; a token has none",
    "welcome/<str:token>/": "opens an account by a link that works once, before anybody is signed in",
}
# verbs that read, though they stand among those that write
READING = {
    "waystation.journeys.outlook.is_out_of_range",
    "waystation.journeys.launch_site.gate",
    "waystation.journeys.set_up.waiting",
    "waystation.evidence.subscriptions.subscriptions",
    "waystation.evidence.subscriptions.subscription",
    "waystation.evidence.subscriptions.attempts",
    "waystation.evidence.holds.holds",
    "waystation.incidents.reviews.reviews",
    "waystation.incidents.reviews.review",
    "waystation.incidents.reviews.overdue",
    "waystation.incidents.reviews.of_incident",
    "waystation.journeys.post_incident.findings",
    "waystation.journeys.claims.subject",
    "waystation.journeys.claims.estimate",
    "waystation.journeys.claims.make",
    "waystation.journeys.claims.file_name",
    "waystation.journeys.qualification.trials",
    "waystation.journeys.post_incident.read_digest",
    "waystation.evidence.reviews.trail",
    "waystation.evidence.reviews.months",
    "waystation.evidence.reviews.reviews",
    "waystation.evidence.reviews.grouped",
}


def _by_verb() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, function in operations().items():
        for verb in verbs_of(function):
            found.setdefault(verb, []).append(name)
    return found


def test_int_09_every_form_of_the_console_has_an_operation_that_does_the_same() -> None:
    """Each verb that a form calls is called by an operation; both are read from the source of the doors."""
    by_verb = _by_verb()
    missing = {}
    for path, view in posting_pages().items():
        verbs = verbs_of(view) - READING
        lacking = sorted(v for v in verbs if v not in by_verb)
        if (lacking or not verbs) and path not in ALONE:
            missing[path] = lacking or ["calls no verb that is known here"]
        for verb in sorted(verbs & by_verb.keys()):
            print(f"{path:50} {verb.removeprefix('waystation.'):45} {', '.join(by_verb[verb])}")
    assert not missing


def test_int_09_the_exceptions_are_still_needed() -> None:
    """A page that is gone, or that an operation answers by now, leaves the list."""
    pages, by_verb = posting_pages(), _by_verb()
    for path in ALONE:
        assert path in pages, path
        verbs = verbs_of(pages[path])
        assert not verbs or not verbs <= by_verb.keys(), path


def test_int_09_both_sides_are_really_read() -> None:
    """A reader that found nothing would find nothing missing."""
    assert len(posting_pages()) >= 30
    assert len(writes()) >= 75
    assert verbs_of(posting_pages()["incidents/<str:key>/install/"]) == {"waystation.journeys.failed_device.swap"}
    assert verbs_of(operations()["POST /api/v1/incidents/{key}/swap"]) == {"waystation.journeys.failed_device.swap"}


def test_no_page_changes_state_by_being_read() -> None:
    """A view that calls a verb which writes takes forms."""
    from waystation.console.urls import urlpatterns

    forms = posting_pages()
    found = {
        str(p.pattern): sorted(v for v in verbs_of(p.callback) - READING if ".actions." in v)
        for p in urlpatterns
        if str(p.pattern) not in forms and inspect.isfunction(inspect.unwrap(p.callback))
    }
    assert not {path: verbs for path, verbs in found.items() if verbs}
