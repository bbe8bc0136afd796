"""The front page: what this is, what it promises and how to see that, and where everything is."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from charites.audit import count_checks, own_database
from goods.selectors import list_live_rooms
from live.visitors import is_demo

# Each stands in the docs, beside the command that it comes from; tests compare.
FIGURES = {
    "buyers": "400",
    "pieces": "100",
    "sold_naively": "400",
    "kills": "280",
    "calls": "102,452",
    "orders_beside_c": "2.7",
    "orders_beside_c_in_envoy": "3.7",
}


@require_safe
@never_cache
def front_page(request: HttpRequest) -> HttpResponse:
    """Shows what the caller may use: the demo's part to callers on this machine alone, the rest by PUBLIC_PARTS."""
    demo = is_demo(request)
    context: dict[str, Any] = {"demo": demo, "public": settings.PUBLIC_PARTS, "currency": settings.CURRENCY}
    context["grpc_address"] = f"{settings.GRPC_HOST}:{settings.GRPC_PORT}"
    context["rooms"] = list_live_rooms() if "goods" in settings.APPS else None
    context["sells"] = settings.IS_WHOLE
    context["hosts"] = settings.IS_WHOLE and (demo or request.user.is_staff)
    context["instruments"] = "lab/front.html" if demo and apps.is_installed("lab") else None
    context |= {"figures": FIGURES, "rules": count_checks([own_database()])}
    return render(request, "charites/front.html", context)
