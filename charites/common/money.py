"""Amounts for people. Everywhere else an amount is an integer of the currency's smallest unit."""

from decimal import Decimal

from babel.numbers import get_currency_precision
from django.conf import settings


def places_of(currency: str) -> int:
    """Returns how many places an amount of a currency has: 2 for CNY, 0 for JPY."""
    return get_currency_precision(currency)


def typed(units: int, currency: str) -> str:
    """Returns an amount as one types it: 1234.56 for 123456 cents."""
    places = places_of(currency)
    return f"{Decimal(units).scaleb(-places):.{places}f}"


def amount(units: int, currency: str) -> str:
    """Returns 1,234.56 for 123456 cents, and 123,456 for as many yen."""
    places = get_currency_precision(currency)
    return f"{Decimal(units).scaleb(-places):,.{places}f}"


def money(units: int, currency: str | None = None) -> str:
    """Returns an amount with its currency, by default the shop's, and a space between that does not break."""
    currency = currency or settings.CURRENCY
    return f"{amount(units, currency)}\u00a0{currency}"
