from django.apps import AppConfig
from django.conf import settings
from django.contrib import admin
from django.core.management import get_commands

from charites import groups
from charites.checks import register_checks

SERVICES = ("goods", "stock", "orders")


class CharitesConfig(AppConfig):
    name = "charites"

    def ready(self) -> None:
        register_checks()
        hide_others_from_admin()
        hide_commands_that_do_not_work()
        groups.connect()


def hide_others_from_admin() -> None:
    """In the split form each service's admin shows its own tables; those of others are not in its database."""
    for model in list(admin.site._registry):
        if model._meta.app_label in SERVICES and model._meta.app_label not in settings.APPS:
            admin.site.unregister(model)


# What packages bring, and what is not how this project is made or tested.
NO_COMMANDS = ("generateproto", "grpcrunserver", "generateschema", "test", "testserver")


def hide_commands_that_do_not_work() -> None:
    """Django keeps one table of all commands, made once."""
    commands = get_commands()
    for name in NO_COMMANDS:
        commands.pop(name, None)
