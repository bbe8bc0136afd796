from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LiveConfig(AppConfig):
    """Pages for people: a live room. Stands on all other apps; none of them knows it."""

    name = "live"
    verbose_name = _("Live rooms")
