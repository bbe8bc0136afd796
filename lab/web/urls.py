from django.conf import settings
from django.urls import include, path

from lab.web import race

urlpatterns = [
    path("race", race.race_page, name="race"),
    path("race/report", race.report_page, name="race-report"),
    *([path("", include("lab.crowd.urls"))] if settings.IS_WHOLE else []),
]
