"""Who looks at a room: whoever is signed in or, in the demo and on this machine, one of its users."""

from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse

from charites.common.near import is_near

DEMO_VISITORS = ("buyer", "buyer2")  # the first of them, until somebody chooses
COOKIE = "visitor"
COOKIE_SECONDS = 30 * 86400


class Visitor(NamedTuple):
    user_id: int
    name: str


def is_demo(request: HttpRequest) -> bool:
    """Whether the demo's users may be taken without a password: see `charites.common.near`."""
    return settings.DEMO and is_near(request.META.get("REMOTE_ADDR", ""), request.headers)


def visitor_of(request: HttpRequest) -> Visitor | None:
    """Who looks; None for somebody who has to sign in to buy."""
    if request.user.is_authenticated:
        return Visitor(int(request.user.pk), request.user.get_username())
    if not is_demo(request):
        return None
    chosen = request.COOKIES.get(COOKIE)
    name = chosen if chosen in DEMO_VISITORS else DEMO_VISITORS[0]
    user_id = get_user_model().objects.filter(username=name, is_active=True).values_list("pk", flat=True).first()
    return Visitor(int(user_id), name) if user_id else None


def choose_visitor(response: HttpResponse, name: str) -> None:
    """Makes this browser that user of the demo from now on; any other name is passed over."""
    if name in DEMO_VISITORS:
        response.set_cookie(COOKIE, name, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax")
