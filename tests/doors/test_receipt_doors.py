"""Every reply to a request that changed something carries a receipt; whoever kept it learns what became of it."""

from __future__ import annotations

import argparse
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.samples import a_site
from waystation.cli.proving import receipted
from waystation.evidence import keys, sequencer
from waystation.evidence.models import LogEntry
from waystation.evidence.rules.notes import VerifierKey
from waystation.evidence.rules.receipts import Promise, opened, signed
from waystation.evidence.rules.signing import public_of
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
HEADER = "Waystation-Receipt"


def opens(client: Client, **headers: str) -> Any:
    """An incident by API."""
    body = {"cause": "device_unreachable", "site_id": str(a_site().pk), "title": "Silent", "priority": "P3"}
    return client.post("/api/v1/incidents/", json.dumps(body), content_type="application/json", headers=headers)


def test_evd_08_a_write_is_receipted_and_a_read_and_a_refusal_are_not(
    signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """The note names the hashes of exactly the entries that the request made, signed by their log."""
    ana = signed_in("operator")
    before = LogEntry.objects.count()
    reply = opens(ana)
    assert reply.status_code == 201
    made = list(LogEntry.objects.order_by("seq").values_list("leaf_hash", flat=True))[before:]
    promise = opened(b64decode(reply[HEADER]), [keys.verifier_key(LogEntry.objects.latest("seq").log)])
    assert list(promise.leaves) == [bytes(leaf) for leaf in made] != []
    assert promise.at == clock.now()
    assert HEADER not in ana.get("/api/v1/incidents/open")
    assert HEADER not in opens(signed_in("leadership"))


def test_evd_08_a_repeated_request_changes_nothing_and_promises_nothing_new(
    signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """The same key twice: one change, one receipt."""
    ana = signed_in("operator")
    first, second = opens(ana, **{"Idempotency-Key": "k"}), opens(ana, **{"Idempotency-Key": "k"})
    assert (first.content, second["Idempotent-Replay"]) == (second.content, "true")
    assert HEADER in first
    assert HEADER not in second


def test_evd_08_without_a_key_the_api_works_and_gives_no_receipt(
    signed_in: Callable[..., Client], clock: FastClock, folder: Path
) -> None:
    """An installation that was not made to its end signs nothing."""
    (folder / "secrets" / "log_key").unlink()
    reply = opens(signed_in("operator"))
    assert reply.status_code == 201
    assert HEADER not in reply


def test_evd_08_who_kept_a_receipt_asks_by_api_and_by_command(
    signed_in: Callable[..., Client], clock: FastClock, folder: Path, tmp_path: Path
) -> None:
    """Where each entry stands; keys of one's own are believed; who may not read evidence is refused."""
    kept = opens(signed_in("operator"))[HEADER]
    sequencer.run(clock.now())
    auditor = signed_in("auditor")

    def ask(client: Client, **more: Any) -> Any:
        body = json.dumps({"receipt": kept} | more)
        return client.post("/api/v1/evidence/receipts", body, content_type="application/json")

    found = ask(auditor).json()
    assert [(f["missing"], f["kind"]) for f in found] == [(False, "incidents.opened")]
    assert found[0]["index"] == LogEntry.objects.get(kind="incidents.opened").position.tree_index
    mine = keys.verifier_key(LogEntry.objects.get(kind="incidents.opened").log)
    assert ask(auditor, vkeys=[mine.vkey()]).status_code == 200
    stranger = VerifierKey(mine.name, mine.algorithm, public_of(b"\x05" * 32))
    assert ask(auditor, vkeys=[stranger.vkey()]).json()["code"] == "evidence.unsigned"
    assert ask(auditor, vkeys=["never"]).status_code == 422
    assert ask(auditor, receipt="never").status_code == 422
    assert ask(signed_in("hub_technician")).status_code == 403


def test_evd_08_the_command_says_where_each_entry_stands_and_what_is_gone(
    signed_in: Callable[..., Client], clock: FastClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 while all are there, 1 and the hash when one is not; what is no receipt is refused in words."""
    kept = tmp_path / "receipt.txt"
    kept.write_text(opens(signed_in("operator"))[HEADER])
    asked = argparse.Namespace(receipt=kept, vkey=[])
    assert receipted.run(asked) == 0
    assert "waits for its place" in capsys.readouterr().out
    log = LogEntry.objects.latest("seq").log
    promise = Promise(keys.verifier_key(log).name, clock.now(), (b"\x01" * 32,))
    kept.write_bytes(signed(promise, keys.verifier_key(log), keys.log_key().sign))
    assert receipted.run(asked) == 1
    said = capsys.readouterr().out
    assert f"{'01' * 32}  NOT IN THE LOG" in said
    assert "1 of these were signed for and are gone" in said
    kept.write_text("never")
    with pytest.raises(BadInput, match="no receipt"):
        receipted.run(asked)
    with pytest.raises(BadInput, match="No such file"):
        receipted.run(argparse.Namespace(receipt=tmp_path / "none", vkey=[]))
