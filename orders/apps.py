from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from charites.common.checks import register_sentences


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        if "orders" not in settings.APPS:
            return
        from orders.messages import register_topics  # noqa: PLC0415 (models are loaded only now)

        register_topics()
        register_sentences("orders.E001", incomplete_split)
        register_sentences("orders.E002", impossible_flow)
        register_sentences("orders.E003", useless_provider)
        register_sentences("orders.E004", unusable_tls)
        register(money_of_nobody, Tags.security, deploy=True)


def unusable_tls() -> Iterator[str]:
    """What cannot be read is said at the start, and not to the first buyer. Only the split form calls others."""
    if {"goods", "stock"} <= set(settings.APPS):
        return
    from charites.common.rpc.tls import TlsUnusable  # noqa: PLC0415 (models are loaded only now)
    from orders.remote import read_tls  # noqa: PLC0415

    try:
        read_tls()
    except TlsUnusable as error:
        yield f"REMOTE_TLS_CA, REMOTE_TLS_CERT, REMOTE_TLS_KEY: {error}"


def incomplete_split() -> Iterator[str]:
    """A service that takes orders starts only if it knows where goods and stock are."""
    for app in ("goods", "stock"):
        if app not in settings.APPS and not getattr(settings, f"{app.upper()}_ENDPOINT"):
            yield (
                f"APPS={','.join(settings.APPS)} leaves {app} to another service: say where it is with "
                f"{app.upper()}_ENDPOINT=ipv4:10.0.0.5:8081,10.0.0.6:8081 or dns:///{app}.internal:8081."
            )


def impossible_flow() -> Iterator[str]:
    possible = ["local"] if "stock" in settings.APPS else ["half_message", *(["direct"] if settings.DEMO else [])]
    if settings.ORDER_FLOW not in possible:
        yield (
            f"ORDER_FLOW={settings.ORDER_FLOW!r} is not possible with APPS={','.join(settings.APPS)}. "
            f"Set it to: {' or '.join(possible)}. (`direct` leaks stock on purpose, so it needs DEMO.)"
        )


def useless_provider() -> Iterator[str]:
    """Without this the first buyer who pays would find out."""
    if not settings.PAYMENT_PROVIDER:
        return
    from orders.payments.port import faults_of, get_provider  # noqa: PLC0415 (models are loaded only now)

    try:
        faults = faults_of(get_provider())
    except ImproperlyConfigured as error:
        yield f"PAYMENT_PROVIDER={settings.PAYMENT_PROVIDER} cannot be used: {error}"
        return
    except Exception as error:  # noqa: BLE001 (whatever a provider raises, it is no provider)
        yield f"PAYMENT_PROVIDER={settings.PAYMENT_PROVIDER} is no payment provider: {error!r}."
        return
    if faults:
        yield f"PAYMENT_PROVIDER={settings.PAYMENT_PROVIDER} is no payment provider: {'; '.join(faults)}."


def money_of_nobody(**_: Any) -> list[CheckMessage]:
    """A shop that is tried out may have the sandbox without the demo's tokens; one that sends goods may not."""
    if settings.DEMO or not settings.PAYMENT_PROVIDER.startswith("orders.payments.sandbox."):
        return []
    return [Warning("PAYMENT_PROVIDER is the sandbox: every buyer can say that an order is paid.", id="orders.W001")]
