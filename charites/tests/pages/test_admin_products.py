"""Products in the admin of every app: by title, with a link, and one query a page."""

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from goods.models import Goods, Room, RoomGoods
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, page_url, sign_in
from orders.models import Order, OrderDetail
from stock.models import Stock, StockAdjustment, StockRecord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id, stock=10)
    room = factories.make_room(1, goods_ids=[1, 2, 3])
    Room.objects.filter(pk=room.pk).update(current_goods_id=1)
    for goods_id in (1, 2, 3):
        factories.make_order({goods_id: 1})
    return sign_in(make_operator())


def link(goods_id: int) -> str:
    goods = Goods.objects.get(goods_id=goods_id)
    return f'<a href="{page_url(goods)}">{goods.title}</a> <span class="product-id">{goods_id}</span>'


def read(client: Client, url: str) -> tuple[str, int]:
    """A page, and how many queries asked for titles of products."""
    with CaptureQueriesContext(connection) as queries:
        page = client.get(url)
    assert page.status_code == 200
    asked = [
        query for query in queries if query["sql"].startswith(f"SELECT {connection.ops.quote_name('shopping_goods')}")
    ]
    return page.content.decode(), len(asked)


@pytest.mark.parametrize(
    "model", [Stock, StockRecord, StockAdjustment, OrderDetail, RoomGoods], ids=lambda m: m.__name__
)
def test_list_names_the_products_and_asks_once(client: Client, model: type[Model]) -> None:
    page, asked = read(client, list_url(model))

    assert all(link(goods_id) in page for goods_id in (1, 2, 3))
    assert asked == 1


@pytest.mark.parametrize(
    "model", [Room, Stock, StockRecord, StockAdjustment, OrderDetail, RoomGoods], ids=lambda m: m.__name__
)
def test_page_of_a_row_names_its_product(client: Client, model: type[Model]) -> None:
    row = model._default_manager.order_by("pk")[0]

    assert link(1) in read(client, page_url(row))[0]


def test_list_of_rooms_names_what_is_pinned(client: Client) -> None:
    factories.make_room(2)

    assert link(1) in read(client, list_url(Room))[0]


def test_page_of_an_order_names_its_products(client: Client) -> None:
    order = Order.objects.order_by("pk")[0]

    lines, *_, records = client.get(page_url(order)).context["sections"]

    page = page_url(Goods.objects.get(goods_id=1))
    assert (lines.headers[0], lines.rows[0][0]) == ("Product", f'<a href="{page}">1</a>')
    assert records.rows[0][0] == link(1)


def test_product_that_never_was_is_shown_by_its_id(client: Client) -> None:
    factories.make_stock(77, 5)

    page = client.get(list_url(Stock)).content.decode()

    assert '<td class="field-product">77</td>' in page


def test_title_is_a_text_and_no_part_of_the_page(client: Client) -> None:
    Goods.objects.filter(goods_id=1).update(title="<b>1</b>")

    assert "&lt;b&gt;1&lt;/b&gt;</a>" in client.get(list_url(Stock)).content.decode()
