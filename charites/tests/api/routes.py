"""All routes, and which of them answer without a token."""

from http import HTTPMethod

from django.urls import URLPattern, URLResolver, get_resolver

DESK = ("/pin", "/unpin", "/restock", "/start", "/end", "/on", "/off", "/times", "/limit")
# Everything that answers without a token, and why that is right.
OPEN = {
    "": "the front page",
    "language": "chooses the language of pages",
    "favicon.ico": "leads to a picture",
    "livez": "health",
    "readyz": "health",
    "statusz": "health",
    "metrics": "for Prometheus",
    "api/auth/token": "where tokens come from",
    "api/auth/refresh": "carries a refresh token",
    "media/<str:name>": "pictures, by names that nobody guesses",
    "admin/": "leads to where operators sign in",
    "admin/login/": "where operators sign in",
    "api/schema": "documentation",
    "api/docs": "documentation",
    "api/payments/notify": "signed by the provider",
    "sandbox/pay/<str:link>": "the link is signed",
    "sign-in": "where buyers sign in",
    "sign-out": "ends a session",
    "rooms/<id:room_id>": "a room's page",
    "rooms/<id:room_id>/parts": "of that page",
    "rooms/<id:room_id>/parts/<id:goods_id>": "of that page",
    "api/rooms/<id:room_id>/live": "what that page shows",
    "api/rooms/<id:room_id>/events": "what changes on that page",
    # Forms of that page, with a session or, in the demo, a cookie: live/tests.
    "rooms/<id:room_id>/buy": "leads to where one signs in",
    "rooms/<id:room_id>/orders/<id:order_id>/pay": "not found for who has no such order",
    "rooms/<id:room_id>/orders/<id:order_id>/cancel": "not found for who has no such order",
    "rooms/<id:room_id>/orders/<id:order_id>/ask": "not found for who has no such order",
    "rooms/<id:room_id>/visitor": "chooses between the demo's buyers",
    # The host's desk: staff with a session or, in the demo, on this machine; see live/tests/desk.
    **{f"rooms/<id:room_id>/desk{part}": "leads to where one signs in" for part in ("", *DESK)},
    "^(?:api|v1)(?:/|$)": "addresses that do not exist",
    r"^[\s\S]*$": "pages that do not exist",
}
METHODS = [method.value for method in HTTPMethod if method not in (HTTPMethod.CONNECT, HTTPMethod.TRACE)]


def all_routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    """Every route of the urlconf, the admin's (which has its own sign-in) left out."""
    routes: list[str] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            routes += [] if pattern.app_name == "admin" else all_routes(pattern.url_patterns, route)
        else:
            routes.append(route)
    return routes


ROUTES = all_routes(get_resolver().url_patterns)
