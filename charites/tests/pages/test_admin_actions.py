"""What an operator reads before anything is done: what an action does, to how many at most, and to what."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from charites.common.errors import OutcomeUnknown
from goods.models import Goods, RoomGoods
from lab.kit import factories
from lab.kit.admin_site import OUR_APPS, ask, list_url, make_operator, page_url, sign_in
from lab.kit.interleaving import Background
from lab.kit.proxy import ArmedProxy, Fate, Point, database_address, database_behind
from orders.models import Order
from stock.models import Stock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=10)
    factories.make_goods(2, stock=10)
    factories.make_room(1, goods_ids=[1, 2])
    return sign_in(make_operator())


def actions(client: Client, model: type) -> list[str]:
    form = client.get(list_url(model)).context["action_form"]
    return [str(label) for name, label in form.fields["action"].choices if name]


def test_actions_say_how_many_rows_they_take(client: Client) -> None:
    factories.make_order()

    assert actions(client, Order) == [
        "Cancel the orders and give the stock back (100 at most)",
        "Complete the paid orders (100 at most)",
    ]
    assert actions(client, RoomGoods)[0] == "Pin the product in its room (one only)"


def test_every_action_of_ours_has_a_limit() -> None:
    unlimited = [
        (model.__name__, name)
        for model, page in admin.site._registry.items()
        if model._meta.app_label in OUR_APPS
        for name in page.actions
        if not getattr(getattr(page, name), "limit", None)
    ]

    assert unlimited == []


@pytest.mark.parametrize("key", ["x", "", "9" * 30])
@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
def test_row_that_no_list_can_have_is_refused(admin_client: Client, model: type, key: str) -> None:
    form = admin_client.get(list_url(model)).context["action_form"]
    names = [name for name, _label in form.fields["action"].choices if name] if form else []

    for name in names:
        for more in ({"index": "0"}, {"confirmed": "yes"}):
            data = {"action": name, "_selected_action": ["1", key], **more}
            page = admin_client.post(list_url(model), data, follow=True)
            (told,) = page.context["messages"]
            assert str(told) == "What was chosen is not on this list. Nothing was done."


def test_confirmation_says_how_many_and_which(client: Client) -> None:
    one = ask(client, "adjust", list(Stock.objects.filter(goods_id=1))).content.decode()
    two = ask(client, "adjust", list(Stock.objects.all())).content.decode()

    assert "<li>product 1: 10 available – Goods 1</li>" in one
    assert "<p>2 rows are chosen:</p>" in two


def test_confirmation_is_given_in_the_words_of_the_action(client: Client) -> None:
    order = factories.make_order()

    page = ask(client, "close_orders", [order]).content.decode()

    assert "<p>1 row is chosen:</p>" in page
    assert 'value="Cancel the orders and give the stock back"' in page
    assert "Cancel these orders and give their stock back? Only unpaid ones are." in page


def test_page_that_only_shows_leads_back_to_the_list_it_was_found_in(client: Client) -> None:
    order = factories.make_order()

    page = client.get(page_url(order), {"_changelist_filters": "status__exact=100"}).content.decode()

    assert f'<a href="{list_url(Order)}?status__exact=100" class="closelink">Back to the list</a>' in page
    assert ">Close<" not in page


def test_page_that_can_be_saved_has_its_buttons(client: Client) -> None:
    page = client.get(page_url(Goods.objects.get(goods_id=1))).content.decode()

    assert 'name="_save"' in page
    assert "Back to the list" not in page


@pytest.mark.servers
def test_form_stays_where_the_connection_was_lost_and_the_same_can_be_sent_again(client: Client) -> None:
    order = factories.make_order()
    address, confirmed = list_url(Order), {**chosen("close_orders", order), "confirmed": "yes"}

    with ArmedProxy(database_address()) as proxy, database_behind(proxy):
        proxy.arm(Point(b"shopping_order.order_id IN ("), Fate.UNHEARD, lambda: None)
        with Background(lambda: client.post(address, confirmed)) as sent:
            page = sent.result()
        assert proxy.fired.is_set()

    assert page.status_code == 200
    assert [str(message) for message in page.context["messages"]] == [OutcomeUnknown().message]
    assert hidden(page) == {**confirmed, "_selected_action": str(order.pk)}
    assert state_of(order) == Order.Status.UNPAID
    again = client.post(address, hidden(page), follow=True)
    assert [str(message) for message in again.context["messages"]] == ["Done for 1 row."]
    assert state_of(order) == Order.Status.CLOSED


def chosen(action: str, order: Order) -> dict[str, str]:
    return {"action": action, "_selected_action": str(order.pk)}


def hidden(page: Any) -> dict[str, str]:
    """What the form of a page sends when its button is pressed."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode())
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def state_of(order: Order) -> int:
    return Order.objects.get(pk=order.pk).status
