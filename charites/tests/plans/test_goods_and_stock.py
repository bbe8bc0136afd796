"""What is read of rooms, goods and stock."""

from charites.tests.plans.shop import LINES, PLANS
from goods import selectors as goods
from lab.kit.stock_steps import confirm_stock, deduct_stock, reserve_stock, roll_back_stock
from stock import selectors as stock
from stock.services import Adjustment, adjust_stock

pytestmark = PLANS


def test_rooms_and_goods_by_number_read_few_rows() -> None:
    assert len(goods.get_room_goods(room_id=5).goods) == 10
    assert len(goods.list_existing_rooms(room_ids=[5, 6])) == 2
    assert len(goods.list_entries(room_id=5)) == 10
    assert goods.get_goods(goods_id=5)
    assert goods.list_entries_of_goods(goods_id=7)


def test_steps_of_stock_read_few_rows() -> None:
    for order_id in (900_001, 900_002, 900_002):
        reserve_stock(order_id=order_id, quantities=LINES)
    confirm_stock(order_id=900_001)
    roll_back_stock(order_id=900_002, goods_ids=list(LINES))
    deduct_stock(goods_id=1, quantity=1)
    for _ in range(2):
        adjust_stock(adjustments=[Adjustment(1, "count", "staff", delta=-1, idempotency_key="key")])

    assert stock.get_stock(goods_id=1)
    assert len(stock.list_records(order_ids=[900_001, 900_002])) == 6
    assert stock.list_adjustments(goods_id=1, limit=100)
