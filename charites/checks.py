"""What settings have to be together; what each of them may be alone stands in settings.py."""

from collections.abc import Iterator

from babel.numbers import is_currency
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from charites import brokers
from charites.common.checks import register_sentences
from charites.common.replicas import REPLICA


def register_checks() -> None:
    register_sentences("charites.E010", unknown_currency)
    register_sentences("charites.E011", lambda: brokers.unfit(settings))
    register_sentences("charites.E012", no_node)
    register_sentences("charites.E013", early_check)
    register_sentences("charites.E014", half_a_preload)
    register_sentences("charites.E015", uncounted_proxy)
    register_sentences("charites.E016", replica_of_a_file)


def unknown_currency() -> Iterator[str]:
    """A provider refuses it when the first buyer has paid."""
    if not is_currency(settings.CURRENCY):
        yield f"CURRENCY={settings.CURRENCY} is no currency: set it to one of ISO 4217, such as CNY or EUR."


def no_node() -> Iterator[str]:
    if settings.NODE_FIRST > settings.NODE_LAST:
        yield f"NODE_FIRST={settings.NODE_FIRST} is above NODE_LAST={settings.NODE_LAST}: no order would get a number."


def early_check() -> Iterator[str]:
    """A half message would be asked about while its order is still being placed."""
    if "stock" not in settings.APPS and settings.MESSAGE_FIRST_CHECK_SECONDS <= 2 * settings.REMOTE_TIMEOUT_SECONDS:
        yield (
            f"MESSAGE_FIRST_CHECK_SECONDS={settings.MESSAGE_FIRST_CHECK_SECONDS} is not more than twice "
            f"REMOTE_TIMEOUT_SECONDS={settings.REMOTE_TIMEOUT_SECONDS}: raise one or lower the other."
        )


def half_a_preload() -> Iterator[str]:
    """The lists of browsers (https://hstspreload.org) take no other."""
    is_whole = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS and settings.SECURE_HSTS_SECONDS >= 365 * 86400
    if settings.SECURE_HSTS_PRELOAD and not is_whole:
        yield "HSTS_PRELOAD wants HSTS_SUBDOMAINS=true and HSTS_SECONDS of a year or more: 31536000."


def uncounted_proxy() -> Iterator[str]:
    """All would come from the address of the proxy: a few who guess passwords would keep everybody from signing in."""
    if settings.TRUST_PROXY and not settings.NUM_PROXIES:
        yield "TRUST_PROXY is on, and NUM_PROXIES is 0: set it to how many proxies add to X-Forwarded-For, mostly 1."


def replica_of_a_file() -> Iterator[str]:
    """Its lists would never be read from there."""
    if REPLICA in settings.DATABASES and not settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("mysql"):
        yield "DATABASE_REPLICA_URL is set, and DATABASE_URL is SQLite, which nothing follows: set both to MariaDB."
