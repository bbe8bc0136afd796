"""All routes, and which of them answer without a token."""

from http import HTTPMethod

from django.urls import URLPattern, URLResolver, get_resolver

# Everything that answers without a token, and why that is right.
OPEN = {
    "": "the front page",
    "livez": "health",
    "readyz": "health",
    "statusz": "health",
    "metrics": "for Prometheus",
    "api/auth/token": "where tokens come from",
    "api/auth/refresh": "carries a refresh token",
    "admin/login/": "where operators sign in",
    "api/schema": "documentation",
    "api/docs": "documentation",
    "api/payments/notify": "signed by the provider",
    "sandbox/pay/<str:link>": "the link is signed",
    "^(?:api|v1)(?:/|$)": "addresses that do not exist",
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
