"""The commands on an installation, with good words and bad: what each prints, and the exit code that scripts rely on.

The installation is the suite's own database; processes are started only by the suites that stop and restore them.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection

from tests.conftest import ROOT, START
from tests.samples import a_network, a_service_class, a_site, a_template
from waystation.access import queries as access
from waystation.access.models import Machine, WelcomeLink
from waystation.cli import serve, start
from waystation.cli.main import COMMANDS, main
from waystation.evidence import sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, Conflict, NotSignedIn
from waystation.registry.models import Import, Site

pytestmark = pytest.mark.django_db
Waystation = Callable[..., tuple[int, str, str]]
SITES = "code,name,network,template,service_class,country,lat,lon,zone\n"
MALAGA = "malaga,Málaga,iberia,cold-chain-node,A,ES,36.72,-4.42,Europe/Madrid\n"


@pytest.fixture
def waystation(data: Path, clock: FastClock, capsys: pytest.CaptureFixture[str]) -> Waystation:
    """Runs a command: `waystation("access", "token", ...)` gives exit code, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        os.environ["WAYSTATION_DATA"] = str(data)
        code = main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_without_words_the_commands_are_listed_and_the_usage_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """2 for no command and for one that does not exist; 0 for --help and --version."""
    assert main([]) == 2
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in COMMANDS)
    assert main(["brew"]) == 2
    assert "no command 'brew'" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("waystation 0.")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_takes_and_refuses_what_it_does_not(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--help is 0, an unknown option is wrong usage: 2."""
    assert main([name, "--help"]) == 0
    assert f"usage: waystation {name}" in capsys.readouterr().out
    assert main([name, "--no-such-option"]) == 2
    assert "usage:" in capsys.readouterr().err


INSTALLED = ("overview", "serve", "worker", "ingest", "mqtt", "migrate", "doctor", "live")


@pytest.mark.parametrize("name", INSTALLED)
def test_where_nothing_is_installed_the_command_that_helps_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1, one line of why, one of what next; and nothing is made."""
    assert main([name, "--data", str(tmp_path / "none")]) == 1
    told = capsys.readouterr().err
    assert "There is no installation" in told
    assert "next: Make one: waystation init." in told
    assert not (tmp_path / "none").exists()


def test_init_refuses_a_folder_that_holds_an_installation(waystation: Waystation, data: Path) -> None:
    """Keys are never written over."""
    before = (data / "secrets" / "secret_key").read_bytes()
    code, _, told = waystation("init")
    assert code == 1
    assert "holds an installation" in told
    assert (data / "secrets" / "secret_key").read_bytes() == before


def test_secrets_are_made_for_their_owner_alone_and_differ(tmp_path: Path) -> None:
    """Mode 0600 in a folder of 0700; two installations share no key; a quote in a setting stays a setting."""
    import tomllib

    for name in ("a", "b"):
        start.make_folder(tmp_path / name, {"public_url": 'http://x/"y"\\z'})
    for name in ("secret_key", "log_key"):
        paths = [tmp_path / folder / "secrets" / name for folder in ("a", "b")]
        assert {p.stat().st_mode & 0o777 for p in paths} == {0o600}
        assert len({p.read_bytes() for p in paths}) == 2
    assert (tmp_path / "a" / "secrets").stat().st_mode & 0o777 == 0o700
    assert tomllib.loads((tmp_path / "a" / "waystation.toml").read_text())["public_url"] == 'http://x/"y"\\z'
    with pytest.raises(Conflict):
        start.make_folder(tmp_path / "a")
    with pytest.raises(FileExistsError):
        start.write_secret(tmp_path / "a" / "secrets" / "log_key", b"x")


def test_a_token_is_printed_once_works_and_is_revoked(waystation: Waystation) -> None:
    """The last line is the token; the database holds its digest alone; revoked it is nobody's."""
    a_site("cordoba")
    code, token, _ = waystation("access", "token", "create", "--name", "gw", "--role", "gateway", "--site", "cordoba")
    assert code == 0
    assert token.startswith("wst_")
    who = access.authority_of_token(token.strip(), START)
    assert who.grants["telemetry.ingest"] == {str(Site.objects.get(code="cordoba").pk)}
    assert not Machine.objects.filter(token_hash__contains=token.strip()).exists()
    code, said, _ = waystation("access", "token", "revoke", "--name", "gw", "--reason", "stolen")
    assert (code, "gw is revoked" in said) == (0, True)
    with pytest.raises(NotSignedIn):
        access.authority_of_token(token.strip(), START)
    assert LogEntry.objects.filter(kind="access.machine_revoked").count() == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--name", "gw", "--role", "gateway"), "A gateway writes for one site"),
        (("--name", "gw", "--role", "gateway", "--site", "nowhere"), "There is no site nowhere"),
        (("--name", "gw", "--role", "operator"), "A machine cannot be 'operator'"),
        (("--name", "gw", "--role", ""), "A machine cannot be ''"),
    ],
)
def test_a_token_that_cannot_be_is_refused_with_the_next_step(
    words: tuple[str, ...], why: str, waystation: Waystation
) -> None:
    """1, why, what next; no machine is made."""
    code, out, told = waystation("access", "token", "create", *words)
    assert (code, out) == (1, "")
    assert why in told
    assert "next: " in told
    assert not Machine.objects.exists()


def test_a_name_is_taken_once_and_an_unknown_one_is_not_revoked(waystation: Waystation) -> None:
    """Both are refused."""
    assert waystation("access", "token", "create", "--name", "a", "--role", "auditor")[0] == 0
    code, _, told = waystation("access", "token", "create", "--name", "a", "--role", "auditor")
    assert (code, "machine named a already" in told) == (1, True)
    code, _, told = waystation("access", "token", "revoke", "--name", "b", "--reason", "x")
    assert (code, "no machine b" in told) == (1, True)


def test_a_welcome_link_is_printed_under_the_public_address(waystation: Waystation) -> None:
    """Its secret is kept as a digest."""
    code, link, _ = waystation("access", "welcome")
    assert code == 0
    token = link.strip().rstrip("/").rpartition("/")[2]
    assert link.startswith(f"{django_settings.PUBLIC_URL}/welcome/")
    assert WelcomeLink.objects.get().token_hash == access.hash_of(token)


def _ground(tmp_path: Path, text: str) -> str:
    a_network(), a_template(), a_service_class()
    path = tmp_path / "sites.csv"
    path.write_text(text)
    return str(path)


def test_int_10_an_import_is_looked_at_applied_repeated_and_taken_back(waystation: Waystation, tmp_path: Path) -> None:
    """Looking changes nothing; a second time there is nothing to do; undo names the import."""
    file = _ground(tmp_path, SITES + MALAGA)
    words = ("registry", "import", file, "--kind", "site")
    code, said, _ = waystation(*words)
    assert (code, "line 2: create malaga" in said, "1 create, 0 update, 0 same, 0 error" in said) == (0, True, True)
    assert not Site.objects.exists()
    code, said, _ = waystation(*words, "--apply")
    made = Import.objects.get()
    assert (code, f"Undo: waystation registry undo {made.pk}" in said) == (0, True)
    code, said, _ = waystation(*words, "--apply")
    assert (code, "Nothing to do" in said, Import.objects.count()) == (0, True, 1)
    code, said, _ = waystation("registry", "undo", str(made.pk), "--reason", "wrong file")
    assert (code, Site.objects.exists()) == (0, False)


def test_int_10_wrong_lines_and_files_are_refused_with_the_line(waystation: Waystation, tmp_path: Path) -> None:
    """1 without --apply too, so that a script notices."""
    file = _ground(tmp_path, SITES + MALAGA.replace("36.72", "north"))
    code, said, _ = waystation("registry", "import", file, "--kind", "site")
    assert (code, "line 2: error malaga" in said) == (1, True)
    code, _, told = waystation("registry", "import", file, "--kind", "site", "--apply")
    assert (code, "line 2" in told, Site.objects.exists()) == (1, True, False)
    for words, why in (
        ((str(tmp_path / "none.csv"), "--kind", "site"), "No such file"),
        ((file, "--kind", "site", "--map", "colour=x"), "no field 'colour'"),
        ((file, "--kind", "site", "--map", "nonsense"), "nonsense"),
    ):
        code, _, told = waystation("registry", "import", *words)
        assert (code, why in told, "next: " in told) == (1, True, True), told
    assert waystation("registry", "import", file, "--kind", "spaceship")[0] == 2
    for key in ("no id", "00000000-0000-7000-8000-000000000009"):
        code, _, told = waystation("registry", "undo", key)
        assert (code, "next: " in told) == (1, True), told


@pytest.mark.parametrize("period", ["7d", "month", "quarter"])
def test_the_overview_tells_people_and_programs_the_same(period: str, waystation: Waystation) -> None:
    """The JSON names its schema; both give the same exit code."""
    a_site("cordoba")
    code, said, _ = waystation("overview", "--period", period)
    again, document, _ = waystation("overview", "--period", period, "--json")
    assert code == again
    assert json.loads(document)["schema"] == "waystation.overview/1"
    assert " UTC" in said


def test_the_overview_of_no_period_is_refused(waystation: Waystation) -> None:
    """It says which there are."""
    code, _, told = waystation("overview", "--period", "fortnight")
    assert (code, "next: " in told) == (1, True)


def test_sla_12_the_report_of_a_month_is_written_as_files_and_again_with_the_same_bytes(
    waystation: Waystation, tmp_path: Path
) -> None:
    """Three files whose names are printed; a second folder gets the same; no month is refused."""
    a_site("cordoba")
    code, said, _ = waystation("overview", "month", "--month", "2026-10", "-o", str(tmp_path / "one"))
    assert code == 0
    assert said.split() == [str(tmp_path / "one" / f"month-2026-10.{kind}") for kind in ("json", "csv", "pdf")]
    assert waystation("overview", "month", "--month", "2026-10", "--again", "-o", str(tmp_path / "two"))[0] == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert (
        waystation("overview", "month", "--month", "2026-10", "--site", "cordoba", "-o", str(tmp_path / "one"))[0] == 0
    )
    assert (tmp_path / "one" / "month-2026-10.site-cordoba.csv").is_file()
    code, _, told = waystation("overview", "month")
    assert (code, "No month is named." in told) == (1, True)
    code, _, told = waystation("overview", "month", "--month", "2026-11", "-o", str(tmp_path))
    assert (code, "is not closed" in told) == (1, True)


def test_evd_12_records_of_a_period_are_written_row_by_row(waystation: Waystation, tmp_path: Path) -> None:
    """A whole file or none: a folder that is not there, or a period that is none, leaves nothing behind."""
    period = ("--from", "2026-11-01T00:00Z", "--to", "2026-12-01T00:00Z")
    code, said, _ = waystation("evidence", "export", *period, "-o", str(tmp_path / "lots.csv"))
    assert (code, ": 0 records of" in said) == (0, True)
    assert (tmp_path / "lots.csv").read_text().startswith("schema,cte,event,at_utc,")
    code, _, told = waystation("evidence", "export", *period, "-o", str(tmp_path / "none" / "lots.csv"))
    assert (code, "Name another file." in told) == (1, True)
    back = ("--from", "2026-12-01T00:00Z", "--to", "2026-11-01T00:00Z")
    assert waystation("evidence", "export", *back, "-o", str(tmp_path / "back.csv"))[0] == 1
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["lots.csv"]


def test_migrate_has_nothing_to_do_on_a_database_of_this_version(waystation: Waystation) -> None:
    """0 with and without --check."""
    assert waystation("migrate", "--check")[:2] == (0, "nothing to do\n")
    assert waystation("migrate")[:2] == (0, "nothing to do\n")


def _codes(waystation: Waystation) -> list[str]:
    code, document, _ = waystation("doctor", "--json")
    told = json.loads(document)
    assert told["schema"] == "waystation.doctor/1"
    assert told["well"] == (not told["findings"]) == (code == 0)
    assert all(f["words"] and f["next_step"] for f in told["findings"])
    return [f["code"] for f in told["findings"]]


def test_the_doctor_names_each_thing_that_is_wrong_with_a_folder(waystation: Waystation, data: Path) -> None:
    """Missing and readable keys, an open bind, no owner; each goes when it is put right."""
    quiet = {"loops.never", "disk.full"}  # nothing runs here, and the disk is the machine's
    assert set(_codes(waystation)) - quiet == {"owner.missing"}
    text = data / "waystation.toml"
    text.write_text(text.read_text() + 'platform_owner = "owner@example.org"\n')
    assert set(_codes(waystation)) - quiet == set()
    (data / "secrets" / "secret_key").chmod(0o644)
    assert "keys.mode" in _codes(waystation)
    (data / "secrets" / "secret_key").chmod(0o600)
    key = (data / "secrets" / "log_key").read_bytes()
    (data / "secrets" / "log_key").unlink()
    assert "keys.missing" in _codes(waystation)
    start.write_secret(data / "secrets" / "log_key", key)
    text.write_text(text.read_text() + 'allowed_hosts = "ops.example.org"\n')
    assert "bind.open" in _codes(waystation)
    text.write_text(text.read_text() + 'behind_proxy = "1"\n')
    assert set(_codes(waystation)) - quiet == set()
    _, said, _ = waystation("doctor")
    assert said.rstrip().endswith(("finding", "findings", "All is well."))


def test_the_doctor_names_entries_that_wait_too_long(waystation: Waystation, clock: FastClock) -> None:
    """By the whole log and not by what the sequencer looks at, so that a forgotten entry would show too."""
    record([], entry=NewEntry("test.made", "1", access.system_authority("test"), clock.now()))
    assert "log.behind" not in _codes(waystation)
    clock.advance(600)
    assert "log.behind" in _codes(waystation)
    sequencer.run(clock.now())
    assert "log.behind" not in _codes(waystation)


def _bind(*words: str) -> tuple[str, int]:
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    return serve.check_bind(parser.parse_args(list(words)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.10"])
def test_sec_01_loopback_needs_no_more_words(host: str, data: Path) -> None:
    """The default and its like."""
    assert _bind("--bind", f"{host}:8000") == (host.strip("[]"), 8000)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "ops.example.org", "[::]", "127.0.0.1.example.org"])
def test_sec_01_any_other_bind_demands_a_name_and_encryption(host: str, data: Path) -> None:
    """Name alone, encryption alone, half of a certificate: refused with field, value and next step."""
    bind = ("--bind", f"{host}:8000")
    named = ("--allowed-host", "ops.example.org")
    for words in ((), named, ("--behind-proxy",), (*named, "--tls-cert", "c"), (*named, "--tls-key", "k")):
        with pytest.raises(BadInput) as refused:
            _bind(*bind, *words)
        assert (refused.value.code, refused.value.field) == ("platform.bind_open", "bind")
        assert refused.value.value == f"{host}:8000"
        assert "--allowed-host" in refused.value.next_step
    assert _bind(*bind, *named, "--behind-proxy")[1] == 8000
    assert _bind(*bind, *named, "--tls-cert", "c", "--tls-key", "k")[1] == 8000
    assert os.environ["WAYSTATION_ALLOWED_HOSTS"] == "ops.example.org"


@pytest.mark.parametrize(
    "bind", ["8000", ":8000", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1", "", "127.0.0.1:70000"]
)
def test_sec_01_a_bind_that_is_none_is_refused(bind: str, data: Path) -> None:
    """Before anything is started."""
    with pytest.raises(BadInput) as refused:
        _bind("--bind", bind)
    assert (refused.value.code, refused.value.value) == ("platform.bind", bind)


def test_a_pack_of_nothing_is_refused_and_writes_nothing(waystation: Waystation, tmp_path: Path) -> None:
    """Unknown site, times without offset, a period that ends before it begins."""
    a_site("cordoba")
    out = tmp_path / "pack.zip"
    period = ("--from", "2026-11-17T00:00Z", "--to", "2026-11-18T00:00Z")
    for words in (
        ("--site", "nowhere", *period),
        ("--site", "cordoba", "--from", "2026-11-17", "--to", "2026-11-18T00:00Z"),
        ("--site", "cordoba", "--from", "2026-11-18T00:00Z", "--to", "2026-11-17T00:00Z"),
        ("--site", "cordoba", "--space", "no such space", *period),
    ):
        code, _, told = waystation("evidence", "pack", *words, "-o", str(out))
        assert (code, "next: " in told, out.exists()) == (1, True, False), told


def test_the_auditors_keys_are_those_of_the_one_log(waystation: Waystation, tmp_path: Path, clock: FastClock) -> None:
    """None yet, one, several, one by name, and a file that cannot be written."""
    out = tmp_path / "trust.json"
    assert waystation("evidence", "trust", "-o", str(out))[0] == 1
    by = access.system_authority("test")
    for log in ("iberia", "nordics"):
        record([], entry=NewEntry("test.made", "1", by, START, log=log))
    sequencer.run(START)
    code, _, told = waystation("evidence", "trust", "-o", str(out))
    assert (code, "iberia, nordics" in told) == (1, True)
    assert waystation("evidence", "trust", "--log", "iberia", "--with-head", "-o", str(out))[0] == 0
    document = json.loads(out.read_text())
    assert document["schema"] == "waystation.trust/1"
    assert document["known_head"]["size"] == 1
    code, _, told = waystation("evidence", "trust", "--log", "iberia", "-o", str(tmp_path / "no" / "x.json"))
    assert (code, "cannot be written" in told) == (1, True)


def test_the_verifier_is_one_file_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed whole and compiles; it needs no installation."""
    assert main(["evidence", "verifier"]) == 0
    compile(capsys.readouterr().out, "verify.py", "exec")


def test_a_pack_that_is_none_cannot_be_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2: a file cannot be used; never 0."""
    (tmp_path / "pack.zip").write_bytes(b"no zip")
    (tmp_path / "trust.json").write_text("{}")
    for pack, trust in (("pack.zip", "trust.json"), ("none.zip", "trust.json"), ("pack.zip", "none.json")):
        code = main(["evidence", "verify", str(tmp_path / pack), "--trust", str(tmp_path / trust)])
        assert code in (1, 2)
        assert "".join(capsys.readouterr())


@pytest.mark.parametrize("words", [("backup",), ("restore",), ("restore", "nowhere", "--verify")])
def test_a_backup_needs_a_folder_that_is_one(words: tuple[str, ...], waystation: Waystation, tmp_path: Path) -> None:
    """Wrong usage without it, refused when it holds no backup."""
    named = [str(tmp_path / w) if w == "nowhere" else w for w in words]
    code, _, told = waystation(*named)
    assert code == (2 if len(words) == 1 else 1)
    assert told


def test_the_database_is_the_suites_own() -> None:
    """These tests speak of the run's own database, whichever it is."""
    assert connection.vendor == os.environ.get("WAYSTATION_TEST_VENDOR", "sqlite")
    assert ROOT.is_dir()


@pytest.mark.parametrize("bind", ["0.0.0.0:8086", "8086", "127.0.0.1:99999"])
def test_sec_01_line_protocol_is_bound_as_carefully_as_the_console(bind: str, data: Path) -> None:
    """The same refusals, under the option's own name."""
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    args = parser.parse_args(["--ingest-bind", bind])
    with pytest.raises(BadInput) as refused:
        serve.check_bind(args, "ingest-bind")
    assert (refused.value.field, refused.value.value) == ("ingest-bind", bind)


def test_sec_01_line_protocol_stands_on_8086_of_loopback(data: Path) -> None:
    """Without a word; port 0 takes any free one, and a taken one is refused with the option that helps."""
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    assert serve.check_bind(parser.parse_args([]), "ingest-bind") == ("127.0.0.1", 8086)
    found = serve.check_free("127.0.0.1", 0, "ingest-bind")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", found))
        holder.listen()
        with pytest.raises(Conflict) as taken:
            serve.check_free("127.0.0.1", found, "ingest-bind")
    assert "--ingest-bind" in taken.value.next_step
