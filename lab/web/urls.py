from django.urls import path

from lab.web import race

urlpatterns = [
    path("race", race.race_page, name="race"),
    path("race/report", race.report_page, name="race-report"),
]
