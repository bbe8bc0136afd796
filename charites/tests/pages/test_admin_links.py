"""From one page of a thing to the others of it."""

import re

import pytest
from django.test import Client

from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import page_url, sign_in
from stock.models import Stock

pytestmark = pytest.mark.django_db

EVERYTHING = (
    *("goods.view_goods", "goods.change_goods", "goods.view_room", "goods.change_room"),
    *("stock.view_stock", "stock.add_stock", "stock.change_stock"),
)


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=5)
    factories.make_goods(2)
    factories.make_room(1, goods_ids=[1, 2])
    return sign_in(factories.make_clerk(*EVERYTHING, username="operator"))


def tools(client: Client, url: str) -> list[str]:
    """Where the buttons above a page lead."""
    text = client.get(url).content.decode()
    found = re.search(r'<ul class="object-tools">(.*?)</ul>', text, re.DOTALL)
    return re.findall(r'href="([^"]+)"', found[1]) if found else []


def test_product_leads_to_its_stock_or_to_where_its_first_pieces_are_received(client: Client) -> None:
    first, second = Goods.objects.order_by("goods_id")

    assert page_url(Stock.objects.get(goods_id=1)) in tools(client, page_url(first))
    (receive,) = [url for url in tools(client, page_url(second)) if "receive" in url]
    assert client.get(receive).context["form"]["lines"].value() == "2 "


@pytest.mark.parametrize("further", [(), ("stock.change_stock",), ("stock.add_stock",)])
def test_product_leads_no_clerk_to_a_page_that_refuses_him(client: Client, further: tuple[str, ...]) -> None:
    clerk = sign_in(factories.make_clerk("goods.view_goods", "stock.view_stock", *further))
    first, second = (tools(clerk, page_url(goods)) for goods in Goods.objects.order_by("goods_id"))

    assert page_url(Stock.objects.get(goods_id=1)) in first
    assert not [url for url in second if "stock" in url]
    assert {clerk.get(url).status_code for url in [*first, *second]} == {200}


def test_room_leads_to_its_page_and_for_who_may_change_it_to_its_desk(client: Client) -> None:
    url = page_url(Room.objects.get())
    viewer = sign_in(factories.make_clerk("goods.view_room"))

    assert {"/rooms/1", "/rooms/1/desk"} <= set(tools(client, url))
    assert ("/rooms/1" in tools(viewer, url), "/rooms/1/desk" in tools(viewer, url)) == (True, False)


def test_product_says_nothing_of_stock_to_who_may_not_see_it(client: Client) -> None:
    clerk = sign_in(factories.make_clerk("goods.view_goods"))

    assert not [url for url in tools(clerk, page_url(Goods.objects.get(goods_id=1))) if "stock" in url]


@pytest.mark.parametrize(
    ("permission", "links"),
    [
        ("goods.change_room", []),
        ("goods.view_room", ["/admin/goods/room/{}/change/"]),
        ("stock.view_stock", ["/admin/stock/stock/"]),
        ("orders.view_order", ["/admin/orders/order/?room=1"]),
    ],
)
def test_desk_leads_to_what_its_host_may_see_of_it_in_the_admin(permission: str, links: list[str]) -> None:
    factories.make_goods(1, stock=5)
    room = factories.make_room(1, goods_ids=[1])
    host = sign_in(factories.make_clerk("goods.change_room", permission))

    found = re.findall(r'href="(/admin/[^"]+)"', host.get("/rooms/1/desk").text)

    assert found == [link.format(room.pk) for link in links]
