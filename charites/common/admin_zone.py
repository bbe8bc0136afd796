"""Times of the admin's pages: in the zone of the operators, which the pages name."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

PAGES = "/admin/"


class OperatorsZoneMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        if request.path.startswith(PAGES):
            timezone.activate(ZoneInfo(settings.OPERATORS_TIME_ZONE))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.path.startswith(PAGES):
            timezone.deactivate()
        return response
