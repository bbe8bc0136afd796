"""Amounts as people read them."""

import pytest
from pytest_django.fixtures import Settings

from charites.common.money import amount, money


@pytest.mark.parametrize(
    ("units", "currency", "shown"),
    [
        (19900, "CNY", "199.00"),
        (19900, "JPY", "19,900"),
        (19900, "KWD", "19.900"),
        (5, "EUR", "0.05"),
        (-123456, "CNY", "-1,234.56"),
        (0, "JPY", "0"),
        (9223372036854775807, "CNY", "92,233,720,368,547,758.07"),
    ],
)
def test_amount_has_the_places_of_its_currency(units: int, currency: str, shown: str) -> None:
    assert amount(units, currency) == shown


def test_money_is_of_the_shops_currency_unless_another_is_named(settings: Settings) -> None:
    settings.CURRENCY = "JPY"

    assert money(19900) == "19,900\u00a0JPY"
    assert money(19900, "CNY") == "199.00\u00a0CNY"
