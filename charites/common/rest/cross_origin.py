"""Browsers' programs from other origins (CORS), where `CORS_ALLOWED_ORIGINS` names them: django-cors-headers, also for
what is answered without Django's middlewares."""

from typing import Any, TypeVar

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Answer = TypeVar("Answer", bound=HttpResponseBase)


class CrossOriginMiddleware(CorsMiddleware):
    """The library's own, which costs nothing where there are no other origins."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if settings.CORS_ALLOWED_ORIGINS else self.get_response(request)

    def process_response(self, request: HttpRequest, response: Answer) -> Answer:
        """For one step alone: what a browser has to be told of an answer."""
        if settings.CORS_ALLOWED_ORIGINS:
            self.add_response_headers(request, response)
        return response
