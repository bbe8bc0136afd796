"""Content-Security-Policy: what a page of ours may load and where it may send forms, in a header of every answer.

The headers are constants: to put one together for each answer, as django-csp does, takes longer than the answer.
"""

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

HEADER = "Content-Security-Policy"
EVERYWHERE = "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; img-src 'self' https: data:"
STRICT = f"default-src 'none'; style-src 'self'; {EVERYWHERE}"
# A room's page keeps itself as it is now.
LIVE = f"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; {EVERYWHERE}"
# Scripts of this host alone. Django's admin and Swagger UI write styles into their elements.
WITH_SCRIPTS = f"default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; {EVERYWHERE}"
PATHS = {"/admin/": WITH_SCRIPTS, "/api/docs": WITH_SCRIPTS, "/rooms/": LIVE}


class ContentPolicyMiddleware(MiddlewareMixin):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = next((policy for start, policy in PATHS.items() if request.path.startswith(start)), STRICT)
        response.headers.setdefault(HEADER, policy)
        return response
