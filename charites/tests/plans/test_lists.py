"""What a page of a list reads, wherever it lies."""

from itertools import product

from charites.common.pages import Cursor
from charites.tests.plans.shop import PLANS
from goods import selectors as goods
from goods.models import Room
from messaging import selectors as messages
from orders import lists
from orders.models import Order
from stock import selectors as stock

pytestmark = PLANS


def test_page_of_orders_reads_few_rows_wherever_it_lies() -> None:
    for user_id, status, before_id in product([None, 5], [None, *Order.Status], [None, 5_000, 500]):
        page = lists.list_orders(user_id=user_id, status=status, before_id=before_id)

        is_full = status != Order.Status.COMPLETED and user_id is None
        assert not is_full or len(page) == 20


def test_page_of_orders_of_a_room_or_with_a_product_reads_few_rows() -> None:
    for name, before in product(["room_id", "goods_id"], [None, 5_000, 500]):
        page = lists.page_orders(lists.OrderFilter(**{name: 5}), Cursor(before=before))

        assert page.items


def test_page_of_what_staff_look_at_reads_few_rows() -> None:
    for cursor in (Cursor(), Cursor(before=500), Cursor(after=500)):
        assert len(lists.page_payments(cursor).items) == 20
        assert len(lists.page_refunds(cursor).items) == 20
        assert len(stock.page_stock(cursor).items) == 20
        assert len(messages.page_messages(cursor).items) == 20


def test_page_of_rooms_reads_few_rows_wherever_it_lies() -> None:
    for status, after_id in product([None, *Room.Status], [None, 1_000]):
        assert len(goods.page_rooms(status, Cursor(after=after_id)).items) == 20
