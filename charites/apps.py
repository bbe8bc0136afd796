from django.apps import AppConfig
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured

from charites.brokers import refuse_unfit_broker

SERVICES = ("goods", "stock", "orders")


class CharitesConfig(AppConfig):
    name = "charites"

    def ready(self) -> None:
        refuse_unknown_apps()
        refuse_unfit_broker(settings)
        hide_others_from_admin()


def refuse_unknown_apps() -> None:
    if not settings.APPS or not set(settings.APPS) <= set(SERVICES):
        raise ImproperlyConfigured(
            f"APPS={','.join(settings.APPS)!r} does not say what this process serves. "
            f"Set it to one or more of: {', '.join(SERVICES)}; or leave it out, for all of them."
        )


def hide_others_from_admin() -> None:
    """In the split form each service's admin shows its own tables; those of others are not in its database."""
    for model in list(admin.site._registry):
        if model._meta.app_label in SERVICES and model._meta.app_label not in settings.APPS:
            admin.site.unregister(model)
