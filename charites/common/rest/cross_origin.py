"""Browsers' programs from other origins (CORS), where `CORS_ALLOWED_ORIGINS` names them: django-cors-headers, also for
what is answered without Django's middlewares."""

from typing import Any, TypeVar

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Answer = TypeVar("Answer", bound=HttpResponseBase)


class CrossOriginMiddleware(CorsMiddleware):
    """Says of every answer who may read it. Costs nothing where there are no other origins."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        return self.process_response(request, self.get_response(request))  # type: ignore[type-var] # (it is synchronous)

    def process_response(self, request: HttpRequest, response: Answer) -> Answer:
        """For one step alone."""
        if settings.CORS_ALLOWED_ORIGINS:
            self.add_response_headers(request, response)
        return response


class PreflightMiddleware(CorsMiddleware):
    """Answers a browser that asks before it sends. That is a request as well: counted, logged and with an id, so this
    stands inside of `RequestMiddleware`."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        preflight = self.check_preflight(request) if settings.CORS_ALLOWED_ORIGINS else None
        return preflight or self.get_response(request)
