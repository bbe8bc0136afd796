from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        if "orders" not in settings.APPS:
            return
        from orders.messages import register_topics  # noqa: PLC0415 (models are loaded only now)

        register_topics()
        refuse_incomplete_split()
        refuse_unusable_tls()


def refuse_unusable_tls() -> None:
    """What cannot be read is said at the start, and not to the first buyer."""
    from charites.common.rpc.tls import TlsUnusable  # noqa: PLC0415 (models are loaded only now)
    from orders.remote import read_tls  # noqa: PLC0415

    try:
        read_tls()
    except TlsUnusable as error:
        raise ImproperlyConfigured(f"REMOTE_TLS_CA, REMOTE_TLS_CERT, REMOTE_TLS_KEY: {error}") from error


def refuse_incomplete_split() -> None:
    """A service that takes orders starts only if it knows where goods and stock are, and how to place an order."""
    for app in ("goods", "stock"):
        if app not in settings.APPS and not getattr(settings, f"{app.upper()}_ENDPOINT"):
            raise ImproperlyConfigured(
                f"APPS={','.join(settings.APPS)} leaves {app} to another service: say where it is with "
                f"{app.upper()}_ENDPOINT=ipv4:10.0.0.5:8081,10.0.0.6:8081 or dns:///{app}.internal:8081."
            )
    possible = ["local"] if "stock" in settings.APPS else ["half_message", *(["direct"] if settings.DEMO else [])]
    if settings.ORDER_FLOW not in possible:
        raise ImproperlyConfigured(
            f"ORDER_FLOW={settings.ORDER_FLOW!r} is not possible with APPS={','.join(settings.APPS)}. "
            f"Set it to: {' or '.join(possible)}. (`direct` leaks stock on purpose, so it needs DEMO.)"
        )
