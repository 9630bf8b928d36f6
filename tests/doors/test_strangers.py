"""What a stranger meets first: commands with wrong words, links that are over, refusals and stories in words."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, START
from tests.samples import a_service_class, a_site
from waystation.access import actions as access
from waystation.access import queries
from waystation.access.models import Person, WelcomeLink
from waystation.access.rules import HUMAN_ROLES, PERMISSIONS, ROLE_WORDS, ROLES
from waystation.cli import demo, failures, serve, start, watch
from waystation.cli.main import main
from waystation.evidence.models import LogEntry
from waystation.journeys.story_words import facts_in_words
from waystation.journeys.targets import Kept, targets
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady, Refusal
from waystation.telemetry import stores

SignedIn = Callable[..., Client]
Told = tuple[int, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Callable[..., Told]]:
    """`run("init", ...)` gives the exit code and everything said; the environment is as before afterwards."""
    before = {k: v for k, v in os.environ.items() if k.startswith("WAYSTATION_")}

    def go(*words: str) -> Told:
        capsys.readouterr()
        code = main([w.replace("{tmp}", str(tmp_path)) for w in words])
        told = capsys.readouterr()
        return code, told.out + told.err

    yield go
    for name in [k for k in os.environ if k.startswith("WAYSTATION_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["access"], ["token", "list"]),
        (["access"], ["person", "list"]),
        (["registry"], ["undo", str(uuid4())]),
        (["evidence"], ["trust", "-o", "{tmp}/trust.json"]),
    ],
)
def test_the_folder_may_be_named_before_and_after_the_verb(
    before: list[str], after: list[str], run: Callable[..., Told], tmp_path: Path
) -> None:
    """Both reach the same installation; one that is not there is named as it was given."""
    start.make_folder(tmp_path / "here")
    for there in ("{tmp}/here", "{tmp}/gone"):
        found = [run(*before, "--data", there, *after), run(*before, *after, "--data", there)]
        assert found[0] == found[1]
        assert ("There is no installation in" in found[0][1]) == there.endswith("gone")


def test_half_an_installation_is_none(tmp_path: Path) -> None:
    """What fails after the folder is made takes it away again, and leaves what stood there before."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    for name in ("kept", "new"):
        with pytest.raises(OperationalError), start.made_whole(tmp_path / name, {}):
            raise OperationalError((tmp_path / name / "secrets" / "log_key").read_text())
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "new").exists()
    with start.made_whole(tmp_path / "new", {}):
        pass
    assert (tmp_path / "new" / "secrets" / "log_key").is_file()


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "127.0.0.1:8000"])
def test_a_public_address_that_no_browser_opens_is_refused_before_anything_is_made(
    url: str, run: Callable[..., Told], tmp_path: Path
) -> None:
    """Its link would lead nowhere."""
    code, told = run("init", "--data", "{tmp}/new", "--public-url", url)
    assert (code, url in told, "next: " in told) == (1, True, True)
    assert not (tmp_path / "new").exists()


def test_a_failure_outside_the_product_is_told_in_words(run: Callable[..., Told], tmp_path: Path) -> None:
    """Paths, settings, disks and databases: field, value and next step; an error of our own stays an error."""
    (tmp_path / "file").write_text("")
    for words in (("init", "--data", "{tmp}/file/x"), ("demo", "--no-serve", "--json", "{tmp}/none/x.json")):
        code, told = run(*words)
        assert (code, "next: " in told, "Traceback" in told) == (1, True, False)
        assert str(tmp_path) in told
    full = failures.in_words(OSError(28, "No space left on device", "/var/x"))
    assert full is not None
    assert (full.message, full.next_step) == (
        "/var/x: No space left on device.",
        "Free or add space, then run it again.",
    )
    told_of = {"database or disk is full": "Free or add", "attempt to write a readonly database": "right to write"}
    for words_of, step in (told_of | {"connection refused": "Start it"}).items():
        found = failures.in_words(OperationalError(words_of))
        assert found is not None
        assert step in found.next_step
    assert failures.in_words(ValueError("ours")) is None


def test_serve_refuses_at_once_what_it_could_never_serve(tmp_path: Path) -> None:
    """A taken port, an address of another machine, a certificate that is none."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Conflict, match="cannot be listened on"):
            serve.check_free("127.0.0.1", other.getsockname()[1])
        free = other.getsockname()[1]
    serve.check_free("127.0.0.1", free)
    with pytest.raises(Conflict):
        serve.check_free("192.0.2.1", 8000)
    (tmp_path / "no.pem").write_text("nothing")
    for cert, key in (("/none.pem", "/none.key"), (str(tmp_path / "no.pem"),) * 2, ("/only.pem", None)):
        with pytest.raises(BadInput, match="cannot be served"):
            serve.check_tls(cert, key)
    serve.check_tls(None, None)


@pytest.mark.parametrize(
    "change",
    [{"every": 0.0}, {"every": float("nan")}, {"repeat": float("inf")}, {"url": "nonsense"}, {"smtp": "mail"}],
)
def test_a_watch_that_could_never_tell_is_refused_at_its_start(change: dict[str, Any]) -> None:
    """Found when it is set up, not in the night when it matters."""
    right = {"every": 30.0, "silent_after": 180.0, "repeat": 60.0, "url": "https://a.example", "smtp": "mail:25"}
    watch.check(Namespace(**right))
    with pytest.raises(BadInput):
        watch.check(Namespace(**right | change))


def test_an_empty_database_is_not_called_an_old_one(
    tmp_path: Path,
) -> None:
    """A database that is gone must not be filled anew in passing: the backup is named first."""
    path = tmp_path / "gone.sqlite3"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WAYSTATION_", "DJANGO_"))}
    start.make_folder(tmp_path / "data")
    words = [sys.executable, "-m", "waystation.cli.main", "overview", "--data", str(tmp_path / "data")]
    told = subprocess.run(
        [*words, "--database-url", f"sqlite:///{path}"],
        cwd=ROOT,
        env=env | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 1
    assert "The database is empty" in told.stderr
    assert "waystation restore" in told.stderr
    assert sqlite3.connect(path).execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_demo_goes_on_under_the_keys_of_its_day_and_counts_boots_on(tmp_path: Path) -> None:
    """Each life of the network boots once more, and the file that the demo's clock is read from stays as it was."""
    with pytest.raises(NotReady):
        demo.State.read(tmp_path)
    kept = demo.State("2026-11-18T06:00:00Z", "iberia", 11, {"cordoba": 2})
    kept.write(tmp_path)
    written = (tmp_path / demo.STATE_FILE).stat().st_mtime_ns
    assert [demo.next_life(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert demo.State.read(tmp_path) == kept
    assert (tmp_path / demo.STATE_FILE).stat().st_mtime_ns == written


@pytest.mark.django_db
def test_an_invited_person_opens_the_account_that_was_made_for_them(run: Callable[..., Told], tmp_path: Path) -> None:
    """The link names the person, asks for a password alone, works once; nobody signs in under another address."""
    start.make_folder(tmp_path / "data", {"public_url": "http://127.0.0.1:8000"})
    given_ = ("--email", "eva@example.org", "--name", "Eva Gil", "--role", "operator")
    code, told = run("access", "person", "invite", *given_, "--data", "{tmp}/data")
    assert code == 0
    link = told.strip().removeprefix("http://127.0.0.1:8000").split("8000")[-1]
    client = Client()
    page = client.get(link).content.decode()
    assert "Eva Gil" in page
    assert 'type="email"' not in page
    sent = {"email": "other@example.org", "name": "Other", "password": "correct horse battery"}
    assert client.post(link, sent).status_code == 302
    assert [p.email for p in queries.people()] == ["eva@example.org"]
    assert client.get(link).status_code == 404
    assert Client().get("/welcome/none/").status_code == 404
    code, told = run(
        "access", "person", "invite", *given_[:5], "king", "--email", "x@example.org", "--data", "{tmp}/data"
    )
    assert (code, "There is no role 'king'" in told, WelcomeLink.objects.count()) == (1, True, 1)
    assert Person.objects.count() == 1, "an account without its role is not left behind"


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"system"}))
def test_a_refusal_names_what_is_not_allowed_and_who_may_in_words(role: str) -> None:
    """No permission or role is shown as programs write it."""
    held = {p: frozenset({"*"}) for p in ROLES[role]}
    who = Authority(uuid4(), "Ana", (role,), held, terms=queries.rules.TERMS)
    for permission in set(PERMISSIONS) - ROLES[role]:
        with pytest.raises(NotAllowed) as refused:
            who.require(permission)
        said = str(refused.value)
        assert PERMISSIONS[permission] in said
        assert ROLE_WORDS[role] in said
        assert permission not in said
        assert "_" not in said


KEYS = st.sampled_from(
    ["people", "decided", "serial", "at", "after_s", "arrival_c", "object", "row", "text_digest", "x"]
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-10, 10**6),
        st.uuids().map(str),
        st.datetimes(timezones=st.just(START.tzinfo)).map(lambda at: at.isoformat()),
        st.sampled_from(["", "in_transit", "site_contact", "ab" * 32]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["by", "reason"]), inner)),
    max_leaves=5,
)


@given(st.dictionaries(KEYS, VALUES))
def test_no_fact_of_a_story_is_an_id_or_a_stamp(facts: dict[str, Any]) -> None:
    """Whatever an entry holds, people read neither ids nor UTC stamps nor names with underscores."""
    said = facts_in_words(facts, "Europe/Madrid", {})
    for word in said.replace(",", " ").replace("(", " ").replace(")", " ").split():
        assert "_" not in word
        assert word.count("-") != 4
        assert not (len(word) > 18 and word[10:11] == "T")


def test_facts_of_a_story_are_said_with_names_units_and_the_sites_time() -> None:
    """Who, how long, how warm, when."""
    ana = str(uuid4())
    facts = {
        "people": [ana, str(uuid4())],
        "decided": {"by": "operator,site_contact", "reason": "routed"},
        "after_s": 599,
        "arrival_c": 5.25,
        "at": "2026-11-17T23:51:00Z",
    }
    said = facts_in_words(facts, "Europe/Madrid", {ana: "Ana Prieto"})
    expected = (
        "Ana Prieto, 1 more, routed (operator and site contact), after 9 min, arrival 5.2 °C, at 18 Nov 2026, 00:51"
    )
    assert said == expected


@pytest.fixture
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("telemetry_folder")
def test_d10_a_class_shows_the_customers_target_beside_their_own_time_before(
    signed_in: SignedIn, system: Authority, clock: FastClock
) -> None:
    """D10: what is asked of a class stands beside what its sites did, now and before; nothing measured is not kept."""
    a_service_class("B")
    a_site("cordoba", service_class=a_service_class("A", recovery_h=7.5))
    found = targets(system, "7d", now=clock.now())
    assert found.start - found.before == found.end - found.start == timedelta(days=7)
    by_code = {c.code: c for c in found.classes}
    recovery = next(p for p in by_code["A"].promises if p.name == "recovery")
    assert (recovery.target, recovery.unit, recovery.now.kept) == (7.5, "h", 0)
    assert recovery.now.words == "nothing to measure"
    assert by_code["B"].promises == ()
    page = signed_in("leadership").get("/overview/targets/?period=7d").content.decode()
    assert "7.5 h" in page
    assert "No active site is in this class" in page
    assert signed_in("leadership").get("/overview/targets/?period=decade").status_code == 422
    assert signed_in("hub_technician").get("/overview/targets/").status_code == 403


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_kept_promises_never_hide_a_broken_or_unknown_one(kept: int, broken: int, unknown: int, quiet: int) -> None:
    """Every count that is not nought is said."""
    said = Kept(kept, broken, unknown, quiet).words
    whole = kept + broken + unknown
    assert (f"{kept} of {whole} kept" in said) == (whole > 0)
    assert (f"{broken} broken" in said) == (broken > 0)
    assert (f"{unknown} not shown" in said) == (unknown > 0)
    assert ("nothing to measure" in said) == (quiet > 0)


@pytest.mark.django_db
def test_every_place_of_the_side_bar_is_open_to_whom_it_is_shown(signed_in: SignedIn) -> None:
    """No name in the side bar leads to a refusal, and an empty place says the next step."""
    for role in HUMAN_ROLES:
        client = signed_in(role)
        page = client.get("/me/").content.decode()
        side = page.split('<nav aria-label="Main">')[1].split("</nav>")[0]
        places = [part.split('"')[0] for part in side.split('<a href="')[1:]]
        assert places
        refused = [place for place in places if client.get(place, follow=True).status_code == 403]
        assert (role, refused) == (role, [])
    empty = signed_in("administrator").get("/onboarding/").content.decode()
    assert "There are no sites yet" in empty
    assert "waystation registry import" in signed_in("administrator").get("/sites/").content.decode()


@pytest.mark.django_db
def test_d9_erasing_is_for_another_administrator_with_a_reason(now: datetime, acting: Callable[..., Authority]) -> None:
    """D9: nobody erases themselves, nobody without the right; a second time changes nothing."""
    boss, eva = acting("administrator", name="Boss"), acting("operator", name="Eva")
    for by, key, reason, code in (
        (boss, eva.principal_id, " ", "access.reason"),
        (boss, boss.principal_id, "asked", "access.erase_self"),
        (eva, boss.principal_id, "asked", "access.not_allowed"),
        (boss, uuid4(), "asked", "access.person_unknown"),
    ):
        with pytest.raises(Refusal) as refused:
            access.erase_person(by, key, reason=reason, now=now)
        assert refused.value.code == code
    access.erase_person(boss, eva.principal_id, reason="asked by the person", now=now)
    gone = Person.objects.get(pk=eva.principal_id)
    assert (gone.name, gone.is_active, gone.email) == ("Erased person", False, f"{gone.pk}@erased.invalid")
    assert queries.authority_of_person(gone, now).roles == ()
    entries = LogEntry.objects.count()
    assert access.erase_person(boss, eva.principal_id, reason="again", now=now).pk == gone.pk
    assert LogEntry.objects.count() == entries
