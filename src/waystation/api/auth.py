"""Who calls: a machine by its token, or a person by the console's session. Nobody else gets past."""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest
from ninja.utils import check_csrf

from waystation import wiring
from waystation.access import queries as access
from waystation.api.reading import demand_readable
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotSignedIn


def token_of(request: HttpRequest) -> str:
    """The token that the request carries; empty when there is none."""
    return token_in(request.headers.get("Authorization", ""))


def token_in(authorization: str) -> str:
    """The token of `Bearer` or `Token`, or the password of basic authentication; empty when there is none."""
    kind, _, rest = authorization.partition(" ")
    if kind.lower() in ("bearer", "token"):
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def identify(request: HttpRequest) -> Authority:
    """The live authority of the caller; NotSignedIn when nobody is proved, NotAllowed for a forged form."""
    if token := token_of(request):
        return access.authority_of_token(token, wiring.clock().now())
    authority = getattr(request, "authority", None)
    if authority is None:
        raise NotSignedIn("access.not_signed_in", "Nobody is signed in.", "Send a token: Authorization: Bearer ...")
    if request.method not in ("GET", "HEAD", "OPTIONS") and check_csrf(request):
        raise NotAllowed(
            "access.form_expired", "The request carries no valid form token.", "Send X-CSRFToken, or use a token."
        )
    return authority  # type: ignore[no-any-return]


def caller(request: HttpRequest) -> Authority:
    """Used by the API for every operation; leaves the authority on the request."""
    demand_readable(request)
    request.authority = identify(request)  # type: ignore[attr-defined]
    return request.authority  # type: ignore[attr-defined,no-any-return]


def by(request: HttpRequest) -> Authority:
    """The authority that `caller` left on the request."""
    return request.authority  # type: ignore[attr-defined,no-any-return]


def proved(request: HttpRequest, password: str) -> bool:
    """True when the signed-in person's password is right, entered once more; a wrong one is refused at once."""
    person = request.user
    if person.is_authenticated and person.pk == by(request).principal_id and person.check_password(password):
        return True
    raise NotAllowed("product.proof", "The password is not right.", "Enter your own password beside the decision.")
