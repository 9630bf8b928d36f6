"""What every reply carries, and who gets one: a strict content policy, and sign-in unless a page is named open."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from waystation import wiring
from waystation.access import queries as access

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# reachable without signing in; the API and the machine doors check for themselves
OPEN = (
    "/static/",
    "/account/login/",
    "/welcome/",
    "/healthz",
    "/readyz",
    "/beat",
    "/api/",
    "/metrics",
    "/write",
    "/ping",
    "/health",
)

Next = Callable[[HttpRequest], HttpResponse]


class SecurityHeaders:
    """Adds the content policy and its companions to every reply."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        reply = self.get_response(request)
        reply.setdefault("Content-Security-Policy", POLICY)
        reply.setdefault("X-Content-Type-Options", "nosniff")
        reply.setdefault("Permissions-Policy", "camera=(self), geolocation=(), microphone=()")
        if not request.path.startswith("/static/"):
            reply.setdefault("Cache-Control", "no-store")
        return reply


class SignedInOnly:
    """Default deny: a page that is not named open asks for sign-in; a signed-in request carries its live authority."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            session = request.session.session_key or ""
            strength = (
                "mfa"
                if request.session.get("account_authentication_methods", [{}])[-1].get("method") == "mfa"
                else "password"
            )
            now = wiring.clock().now()
            request.authority = access.authority_of_person(  # type: ignore[attr-defined]
                request.user, now, strength=strength, session=session
            )
        elif not request.path.startswith(OPEN):
            return HttpResponseRedirect(f"/account/login/?next={quote(request.get_full_path())}")
        return self.get_response(request)
