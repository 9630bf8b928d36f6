"""Sign-in: accounts are made by administrators, never by visitors; the first one opens a one-time link."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from waystation import wiring
from waystation.access import actions, queries
from waystation.kernel.refusals import BadInput, NotFound


class ClosedSignUp(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody opens an account by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Always closed."""
        return False


def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time link: asks for a password, and of the first administrator for name and address; then signs in."""
    said: dict[str, object] = {"token": token, "invited": queries.invited_by(token, wiring.clock().now())}
    if request.method == "POST":
        said |= {"email": request.POST.get("email", ""), "name": request.POST.get("name", "")}
        try:
            person = actions.use_welcome_link(
                token,
                email=str(said["email"]),
                name=str(said["name"]),
                password=request.POST.get("password", ""),
                now=wiring.clock().now(),
            )
        except (BadInput, NotFound) as refusal:
            return render(request, "console/welcome.html", said | {"refusal": refusal}, status=refusal.status)
        login(request, person, backend="allauth.account.auth_backends.AuthenticationBackend")
        return HttpResponseRedirect("/")
    return render(request, "console/welcome.html", said)
