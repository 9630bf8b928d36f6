"""Checks an evidence pack offline:  python verify.py PACK.zip --trust TRUST.json [--json]

Needs Python 3.9 or newer and nothing else: no network, no installation. Exit 0 = everything holds, 1 = refused,
2 = wrong usage. It believes nothing that the pack says of itself. The keys come from your own trust file:

    {"schema": "waystation.trust/1", "log": {"origin": NAME, "vkey": KEY}, "witnesses": [KEY, ...], "quorum": N,
     "known_head": {"size": N, "root": BASE64},
     "time_stampers": [BASE64 of a certificate, ...]}                                      these two may be absent

What is checked, in this order: the archive is, byte for byte, the one way to pack its members; MANIFEST lists each;
its keys are yours; the log signed the checkpoint and enough witnesses cosigned it; a time-stamp is of that head, by an
authority that you pinned; it continues the head you know; each log entry is in that log; the log vouches for the claim,
the readings and the records; the verdict, worked out again from the raw readings, is the one claimed. Formats: RFC
6962, RFC 8032, RFC 3161, C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from waystation.evidence.verifier.archive import check_manifest, read_archive
from waystation.evidence.verifier.log import check_bindings, check_continuity, check_entries, check_records
from waystation.evidence.verifier.stamp import Stamp, check_stamp
from waystation.evidence.verifier.strict import Refused, real
from waystation.evidence.verifier.trust import Head, Trust, check_checkpoint, check_policy, read_trust
from waystation.evidence.verifier.verdict import Judge, judge_pack, judge_sensor

WORDS = {"in_range_proven": "in range, proven", "out_of_range": "OUT OF RANGE", "not_proven": "NOT PROVEN"}


@dataclass
class Report:
    """What was found. `ok` only when every check passed; `verdict` is the one worked out from the readings."""

    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    verdict: str | None = None
    unwitnessed: bool = True
    done: bool = False

    @property
    def ok(self) -> bool:
        """True when every check was made and none failed."""
        return self.done and not self.refusals

    def sentence(self) -> str:
        """The result in one sentence."""
        if not self.ok:
            return "REFUSED. This pack proves nothing: " + "; ".join(str(r) for r in self.refusals[:3])
        f = self.facts
        since = f" since {f['unwitnessed_since']}" if "unwitnessed_since" in f else ""
        doubt = f" UNWITNESSED{since}: only the log's own signature vouches for it." if self.unwitnessed else ""
        doubt += f" NOT TIME-STAMPED since {f['not_time_stamped_since']}." if "not_time_stamped_since" in f else ""
        condition = ", on the conditions named below" if f["conditional"] else ""
        where = f"{f['site']}, {', '.join(f['spaces'])}"
        return f"VERIFIED. {where}, {f['from']} to {f['to']}: {WORDS[str(self.verdict)]}{condition}.{doubt}"

    def as_dict(self) -> dict[str, Any]:
        """The report for programs, schema waystation.verification/1."""
        refusals = [{"member": r.member, "reason": r.reason} for r in self.refusals]
        lists = {"proven": self.proven, "not_proven": self.not_proven, "refusals": refusals}
        result = {"verified": self.ok, "verdict": self.verdict if self.ok else None, "unwitnessed": self.unwitnessed}
        return {"schema": "waystation.verification/1", **result, "sentence": self.sentence(), **self.facts, **lists}

    def text(self) -> str:
        """The report for people."""
        lines = [self.sentence()]
        for title, items in (("Proven", self.proven), ("Not proven", self.not_proven)):
            lines += ["", f"{title}:", *(f"  - {item}" for item in items)] if items else []
        if self.refusals:
            lines += ["", "Refused:", *(f"  - {r.member}: {r.reason}" for r in self.refusals)]
            lines += ["", "Keep this pack as it is, and ask the site and the log's witnesses for theirs."]
        shown = ("".join(c if c.isprintable() else "?" for c in part) for line in lines for part in line.split("\n"))
        return "\n".join(shown) + "\n"


def verify_pack(data: bytes, trust: dict[str, Any], judge: Judge = judge_sensor) -> Report:
    """Check a pack's bytes against an auditor's trust file; TrustError only when the trust file cannot be used.

    `judge` works out what a readings member says; every judge finds the same.
    """
    own = read_trust(trust)
    report = Report()
    try:
        _verify(data, own, report, judge)
    except Refused as refusal:
        report.refusals.append(refusal)
    return report


def _verify(data: bytes, own: Trust, report: Report, judge: Judge) -> None:
    """All checks in order; each rests on those before it, so the first that fails is the last."""
    members = read_archive(data)
    report.refusals.extend(check_manifest(members))
    if report.refusals:
        return
    report.proven.append(f"The archive is whole: {len(members)} members, none added, missing, moved or altered.")
    head = check_checkpoint(members, own, check_policy(members, own))
    _say_head(own, head, report)
    _say_stamp(head, check_stamp(members, head.text, own.stampers), report)
    continued = check_continuity(members, own, head)
    report.proven.extend([continued] if continued else [])
    entries = check_entries(members, head, report.refusals)
    if report.refusals:
        return
    report.proven.append(f"{len(entries)} entries stand in that log, each at its index.")
    report.refusals.extend(check_bindings(members, entries))
    report.refusals.extend(() if report.refusals else check_records(members, entries, report.not_proven))
    if report.refusals:
        return
    report.proven.append(
        "The log vouches for the claim, the readings, the records and this verifier's copy, by digest."
    )
    report.verdict, facts, doubts = judge_pack(members, judge)
    report.facts.update(facts)
    report.not_proven.extend(doubts)
    report.proven.append(
        f"The verdict was worked out again from {facts['readings']} readings of {facts['sensors']} sensors and is as "
        f"claimed: {facts['in_range_min']:.1f} min in range, {facts['out_of_range_min']:.1f} out, "
        f"{facts['not_proven_min']:.1f} not proven, {facts['excursions']} excursions."
    )
    report.proven.append(f"Readings stood for {facts['inputs_pct']:.2f} % of the time of the sensors that judge.")
    report.not_proven.extend(f"{name} was silent for {m:.1f} min." for name, m in facts["silent_min"].items())
    report.proven.extend(
        f"{sensor} was judged by limits of its own: {real(own['low_c']):g} to {real(own['high_c']):g} degrees Celsius."
        for sensor, own in sorted(facts["own_profiles"].items())
    )
    report.proven.extend(
        f"{name} ({own['instrument']}) is a second source: it covered {own['covered_min']:.1f} min in which a sensor "
        "was silent, and its own readings out of range count."
        for name, own in sorted(facts["second_sources"].items())
    )
    report.not_proven.append(
        "That these are all the sensors of the space, and that they stood where they should: "
        "compare them with the site's own list and its mapping report."
    )
    report.done = True


def _say_head(own: Trust, head: Head, report: Report) -> None:
    report.unwitnessed = not head.cosigned
    root = b64encode(head.root).decode()
    report.facts["log"] = {"origin": own.origin, "size": head.size, "root": root, "cosigned_by": list(head.cosigned)}
    by = f"cosigned by {', '.join(head.cosigned)}" if head.cosigned else "cosigned by nobody whom you trust"
    report.proven.append(f"The log {own.origin} signed its head of {head.size} entries ({root}), {by}.")
    if report.unwitnessed:
        report.not_proven.append("UNWITNESSED: that the log shows everybody the same history, and was not rewritten.")


def _say_stamp(head: Head, found: tuple[Stamp, bool] | None, report: Report) -> None:
    if found is None:
        report.not_proven.append("When: no time-stamping authority saw this head. Its time is the log's own word.")
        return
    stamp, vouched = found
    report.facts["time_stamp"] = {"at": stamp.at, "vouched": vouched}
    if vouched:
        report.proven.append(f"An authority that you pinned stamped this head at {stamp.at}: nothing in it is younger.")
        return
    digest = sha256(head.text).hexdigest()
    report.not_proven.append(
        f"WHO STAMPED: the time-stamp says {stamp.at} and is of this head; you pinned nobody, so check its signature: "
        f"openssl ts -verify -digest {digest} -in timestamp.tsr -CAfile AUTHORITY.pem"
    )


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Checks an evidence pack offline.")
    parser.add_argument("pack", metavar="PACK.zip")
    parser.add_argument("--trust", required=True, metavar="TRUST.json", help="your own file of keys")
    parser.add_argument("--json", action="store_true", help="print the report for programs")
    args = parser.parse_args(words)
    return run(args.pack, args.trust, args.json)


def run(pack_path: str, trust_path: str, as_json: bool, judge: Judge = judge_sensor) -> int:
    """Check the pack at a path and print the report: 0 verified, 1 refused, 2 when a file cannot be used."""
    try:
        with open(trust_path, "rb") as trust_file, open(pack_path, "rb") as pack_file:
            report = verify_pack(pack_file.read(), json.loads(trust_file.read()), judge)
    except (OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"verify: {error}\n  next: check the two paths, and that the trust file is yours.\n")
        return 2
    text = json.dumps(report.as_dict(), indent=1) + "\n" if as_json else report.text()
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
