"""Enrolment: a one-time token makes this agent's key the key of a machine of the site."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from waystation.edge.keys import Keys
from waystation.edge.paths import Uplink
from waystation.edge.ports import Answer, Request
from waystation.kernel.refusals import NotAllowed, NotReady, Unavailable

PATH = "/api/v1/gateways/enrol"
Post = Callable[[Uplink, Request], Answer]


def enrol(keys: Keys, uplink: Uplink, token: str, post: Post) -> str:
    """Make a key if there is none, and bring its public half with the token; the machine's id.

    The same token and key again give the same id, so that an answer that was lost costs nothing.
    """
    keys.make()
    body = json.dumps({"token": token, "public_key": keys.public}, separators=(",", ":")).encode()
    signature = base64.b64encode(keys.sign(body)).decode()
    headers = {"Content-Type": "application/json", "X-Waystation-Signature": signature}
    answer = post(uplink, Request(uplink.name, PATH, body, headers))
    if answer.status == 0:
        raise Unavailable("edge.no_centre", f"{uplink.url} does not answer.", "Look at the network, then try again.")
    if not answer.is_accepted:
        why = str(answer.said.get("message", f"status {answer.status}"))
        raise NotAllowed("edge.enrol_refused", f"The centre refused: {why}", str(answer.said.get("next_step", "")))
    machine, site = str(answer.said.get("machine", "")), str(answer.said.get("site", ""))
    if not machine:
        raise NotReady("edge.enrol_answer", f"{uplink.url} is no Waystation.", "Check the url of the uplink.")
    keys.enrolled(machine, site)
    return machine
