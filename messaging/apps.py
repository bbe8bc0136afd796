from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = _("Messaging")

    def ready(self) -> None:
        from charites.common import announcements  # noqa: PLC0415 (models are loaded only now)
        from messaging.webhooks import outbox  # noqa: PLC0415

        announcements.register(outbox.wanted, outbox.store)
