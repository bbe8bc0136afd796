"""Prices as operators type and read them: in the places of the currency, whose name stands beside."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django.fixtures import Settings

from charites.common.money import typed
from goods.models import Goods
from goods.tests.test_admin import form_of
from lab.kit import factories
from lab.kit.admin_site import add_url, fields_of, make_operator, page_url, sign_in, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return sign_in(make_operator())


@pytest.mark.parametrize(
    ("currency", "text", "units", "shown"),
    [
        ("CNY", "19.90", 1990, "19.90"),
        ("CNY", "19.9", 1990, "19.90"),
        ("CNY", "20", 2000, "20.00"),
        ("CNY", " 0.01 ", 1, "0.01"),
        ("CNY", "92233720368547758.07", 2**63 - 1, "92233720368547758.07"),
        ("JPY", "1990", 1990, "1990"),
        ("KWD", "19.905", 19905, "19.905"),
    ],
)
def test_price_is_typed_and_shown_in_the_places_of_the_currency(
    client: Client, settings: Settings, currency: str, text: str, units: int, shown: str
) -> None:
    settings.CURRENCY = currency

    client.post(add_url(Goods), form_of(price=text))

    goods = Goods.objects.get(goods_id=9)
    assert goods.price == units
    page = client.get(page_url(goods)).content.decode()
    assert re.search(rf'<input type="text" name="price" value="{re.escape(shown)}" inputmode="decimal"', page)
    assert f"Price, {currency}:" in page


@pytest.mark.parametrize(
    ("currency", "text", "fault"),
    [
        ("CNY", "19.905", "2 places after the point at most."),
        ("CNY", "19.900", "2 places after the point at most."),
        ("JPY", "19.9", "JPY has no places after the point."),
        ("CNY", "19,90", "Type an amount such as 19.90, without other signs."),
        ("CNY", "-1", "Type an amount such as 19.90, without other signs."),
        ("CNY", "1e3", "Type an amount such as 19.90, without other signs."),
        ("CNY", "１９", "Type an amount such as 19.90, without other signs."),
        ("CNY", "0", "At least 0.01\u00a0CNY."),
        ("CNY", "92233720368547758.08", "At most 92,233,720,368,547,758.07\u00a0CNY."),
        ("CNY", "9" * 5000, "At most 92,233,720,368,547,758.07\u00a0CNY."),
        ("CNY", "", "This field is required."),
    ],
)
def test_price_that_cannot_be_is_refused_with_what_could_be_and_stays_as_it_was_typed(
    client: Client, settings: Settings, currency: str, text: str, fault: str
) -> None:
    settings.CURRENCY = currency

    page = client.post(add_url(Goods), form_of(price=text))

    assert page.context["adminform"].errors == {"price": [fault]}
    assert page.context["adminform"].form["price"].value() == text
    assert not Goods.objects.exists()


def test_price_that_was_not_touched_is_no_change(client: Client) -> None:
    goods = factories.make_goods(1)
    data = fields_of(client, goods)

    submit(client, page_url(goods), data | {"price": "99.5"})

    assert (data["price"], data["market_price"]) == ("99.50", typed(goods.market_price, "CNY"))
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_who_may_only_look_reads_prices_with_their_currency() -> None:
    goods = factories.make_goods(1)

    page = sign_in(make_operator(may_change=False)).get(page_url(goods)).content.decode()

    assert '<div class="readonly">99.50\u00a0CNY</div>' in page
    assert "cents" not in page
