from collections.abc import Iterator

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = _("Messaging")

    def ready(self) -> None:
        from charites.common import announcements  # noqa: PLC0415 (models are loaded only now)
        from charites.common.checks import register_sentences  # noqa: PLC0415
        from messaging.broker import chosen  # noqa: PLC0415
        from messaging.webhooks import outbox  # noqa: PLC0415

        announcements.register(outbox.wanted, outbox.store)
        register_sentences("messaging.E001", unsigned)
        register_sentences("messaging.E002", unusable_tls)
        register_sentences("messaging.E003", chosen.unusable_client)


def unsigned() -> Iterator[str]:
    """Over a broker the answers are signed, too, by a service that makes no tokens otherwise."""
    if not settings.MEETS_AT_BROKER:
        return
    from charites.common.auth import keys  # noqa: PLC0415 (models are loaded only now)

    try:
        keys.signing()
    except ImproperlyConfigured:
        app = settings.APPS[0]
        yield (
            "REMOTE_BROKER_URL: what goes over the broker is signed, and this service has no key to sign with. Give it "
            f"a TOKEN_PRIVATE_KEY of its own, and the others its public key in TOKEN_PUBLIC_KEYS: service:{app}=..."
        )


def unusable_tls() -> Iterator[str]:
    """What cannot be read is said at the start. Orders, who have the same files for their calls, say it anyway."""
    if not settings.MEETS_AT_BROKER or "orders" in settings.APPS:
        return
    from charites.common.rpc.tls import Tls, TlsUnusable, path_of  # noqa: PLC0415 (models are loaded only now)

    try:
        Tls.read(*map(path_of, (settings.REMOTE_TLS_CA, settings.REMOTE_TLS_CERT, settings.REMOTE_TLS_KEY)))
    except TlsUnusable as error:
        yield f"REMOTE_TLS_CA, REMOTE_TLS_CERT, REMOTE_TLS_KEY: {error}"
